// The detail texture at the picture's resolution: between two of a chain of halved textures, one behind the other.
// The kernel that this goes into declares `texels`, TEXEL4 groups of four channels each: rows by v, columns by u.

fn texel(side: u32, column: u32, row: u32, group: u32) -> vec4<f32> {
    // All larger ones together have a third of what a texture four times as large had more.
    let first = (4u * DETAIL_SIDE * DETAIL_SIDE - 4u * side * side) / 3u;
    return vec4<f32>(texels[(first + row * side + column) * TEXEL4 + group]);
}

fn bilinear(level: u32, uv: vec2<f32>, group: u32) -> vec4<f32> {
    let side = DETAIL_SIDE >> level;
    let place = clamp(uv * f32(side) - 0.5, vec2<f32>(0.0), vec2<f32>(f32(side - 1u)));
    let low = vec2<u32>(place);
    let high = min(low + 1u, vec2<u32>(side - 1u));
    let share = place - vec2<f32>(low);
    let upper = mix(texel(side, low.x, low.y, group), texel(side, high.x, low.y, group), share.x);
    let lower = mix(texel(side, low.x, high.y, group), texel(side, high.x, high.y, group), share.x);
    return mix(upper, lower, share.y);
}

// Four channels at (u, v), where a pixel spans so much of texture coordinates.
fn detail(uv: vec2<f32>, footprint: f32, group: u32) -> vec4<f32> {
    let level = log2(clamp(footprint * f32(DETAIL_SIDE), 1.0, f32(DETAIL_SIDE)));
    let lower = min(u32(level), DETAIL_LEVELS - 1u);
    let upper = min(lower + 1u, DETAIL_LEVELS - 1u);
    return mix(bilinear(lower, uv, group), bilinear(upper, uv, group), clamp(level - f32(lower), 0.0, 1.0));
}
