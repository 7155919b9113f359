// The feature image's own picture: colour and opacity, then expected depths, plane after plane. Colours in a scene's
// light are given, others are the first three channels.

struct Params {
    pixels: u32,
    at: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> image: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> lit: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> answer: array<f32>;

@compute @workgroup_size(64)
fn take(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let pixel = 64u * (group.x + ROW * group.y) + thread;
    if (pixel >= params.pixels) {
        return;
    }
    let seen = image[pixel * (C4 + 1u) + C4];
    var colour = vec4<f32>(image[pixel * (C4 + 1u)].xyz, seen.x);
    if (LIT) {
        colour = lit[pixel];
    }
    colour = clamp(colour, vec4<f32>(0.0), vec4<f32>(1.0));
    for (var k = 0u; k < 4u; k++) {
        answer[params.at + 4u * pixel + k] = colour[k];
    }
    answer[params.at + 4u * params.pixels + pixel] = seen.y;
}
