// The curve of sRGB, which goes on above 1.

// Premultiplied scene-linear -> premultiplied sRGB.
fn encoded(colour: vec3<f32>, alpha: f32) -> vec3<f32> {
    let straight = colour / max(alpha, LEAST_SOLID);
    let curve = 1.055 * pow(max(straight, vec3<f32>(0.0031308)), vec3<f32>(1.0 / 2.4)) - 0.055;
    return select(curve, 12.92 * straight, straight <= vec3<f32>(0.0031308)) * alpha;
}

// Premultiplied sRGB and opacity -> scene-linear, not premultiplied.
fn decoded(colour: vec4<f32>) -> vec3<f32> {
    let straight = max(colour.xyz / min(colour.w, 1.0), vec3<f32>(0.0));
    let curve = pow((max(straight, vec3<f32>(0.04045)) + 0.055) / 1.055, vec3<f32>(2.4));
    return select(curve, straight / 12.92, straight <= vec3<f32>(0.04045));
}
