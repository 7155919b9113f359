// Where a pixel's ray meets a triangle, whose corners are given in the camera's axes.
//
// With q a corner's offset from the pixel's ray at the corner's own depth, a point's coordinates in the triangle are
// the areas that the q span: small numbers, so that single precision suffices, and no clipping at the camera's plane.

fn beside(camera: Camera, corner: vec3<f32>, plane: vec2<f32>) -> vec2<f32> {
    return corner.xy - select(corner.z, 1.0, camera.orthographic != 0u) * plane;
}

fn area(a: vec2<f32>, b: vec2<f32>) -> f32 {
    return a.x * b.y - a.y * b.x;
}

// In proportion to the coordinates; their sum is 0 where the triangle is seen edge on.
fn areas(camera: Camera, a: vec3<f32>, b: vec3<f32>, c: vec3<f32>, place: vec2<u32>) -> vec3<f32> {
    let plane = (vec2<f32>(place) - camera.centre) / camera.focal;
    let u = beside(camera, a, plane);
    let v = beside(camera, b, plane);
    let w = beside(camera, c, plane);
    return vec3<f32>(area(v, w), area(w, u), area(u, v));
}
