// The networks' picture as premultiplied colour, and the field's depths upsampled (docs/method.md 1.8).
// Two groups of four a pixel: colour; weighted depth, weight.

struct Params {
    // Of the feature image's box.
    width: u32,
    height: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> image: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> upsampled: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> picture: array<vec4<f32>>;

// Opacity, weighted depth, weight.
fn seen(x: u32, y: u32) -> vec3<f32> {
    let value = image[(min(y, params.height - 1u) * params.width + min(x, params.width - 1u)) * (C4 + 1u) + C4];
    if (value.z == 0.0) {
        return vec3<f32>(0.0);
    }
    let weight = value.x + WEIGHT_FLOOR;
    return vec3<f32>(value.x, weight * value.y, weight);
}

@compute @workgroup_size(8, 8)
fn finish(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= FACTOR * params.width || id.y >= FACTOR * params.height) {
        return;
    }
    let pixel = id.y * FACTOR * params.width + id.x;
    picture[2u * pixel] = vec4<f32>(0.0);
    picture[2u * pixel + 1u] = vec4<f32>(0.0);
    let own = image[(id.y / FACTOR * params.width + id.x / FACTOR) * (C4 + 1u) + C4];
    let place = max((vec2<f32>(id.xy) + OFFSET) / f32(FACTOR) - OFFSET, vec2<f32>(0.0));
    let low = vec2<u32>(place);
    let share = place - vec2<f32>(low);
    let top = mix(seen(low.x, low.y), seen(low.x + 1u, low.y), share.x);
    let bottom = mix(seen(low.x, low.y + 1u), seen(low.x + 1u, low.y + 1u), share.x);
    let planes = mix(top, bottom, share.y);
    picture[2u * pixel + 1u] = vec4<f32>(planes.yz, 0.0, 0.0);
    if (own.z == 0.0) {
        return;
    }
    let answer = upsampled[pixel];
    var alpha = select(planes.x, answer.w, OWN_ALPHA);
    alpha = min(alpha * clamp((alpha - RAMP_BEGIN) / (RAMP_END - RAMP_BEGIN), 0.0, 1.0), 1.0);
    var colour = min(max(answer.xyz, vec3<f32>(0.0)), vec3<f32>(alpha));
    if (LIT) {
        // In the light of a scene it may be above alpha. As opacity fades, so do the colours that lie under it.
        colour = answer.xyz * min(alpha / max(answer.w, 1e-6), 1.0);
    }
    picture[2u * pixel] = vec4<f32>(colour, alpha);
}
