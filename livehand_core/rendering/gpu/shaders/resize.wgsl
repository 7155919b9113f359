// A picture (as picture.wgsl leaves it) that lies in an empty canvas, at another size: bilinear, antialiased where it shrinks.

struct Params {
    // The picture's pixels in a row, the part of it that is used, and where that lies in the canvas.
    pitch: u32,
    source_width: u32,
    source_height: u32,
    left: u32,
    top: u32,
    canvas_width: u32,
    canvas_height: u32,
    width: u32,
    height: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> target_image: array<vec4<f32>>;

struct Taps {
    first: u32,
    last: u32,
    centre: f32,
    reach: f32,
}

fn taps(place: u32, size: u32, wanted: u32) -> Taps {
    let scale = f32(size) / f32(wanted);
    let reach = max(scale, 1.0);
    let centre = (f32(place) + 0.5) * scale;
    let first = max(floor(centre - reach + 0.5), 0.0);
    let last = min(floor(centre + reach + 0.5), f32(size));
    return Taps(u32(first), u32(last), centre, reach);
}

fn share(tap: Taps, place: u32) -> f32 {
    return max(1.0 - abs((f32(place) + 0.5 - tap.centre) / tap.reach), 0.0);
}

@compute @workgroup_size(8, 8)
fn resample(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let across = taps(id.x, params.canvas_width, params.width);
    let down = taps(id.y, params.canvas_height, params.height);
    var colour = vec4<f32>(0.0);
    var planes = vec4<f32>(0.0);
    var total = 0.0;
    for (var y = down.first; y < down.last; y++) {
        for (var x = across.first; x < across.last; x++) {
            let weight = share(down, y) * share(across, x);
            total += weight;
            // Pixels up and to the left of the picture wrap around and are found to be outside.
            let place = vec2<u32>(x, y) - vec2<u32>(params.left, params.top);
            if (place.x < params.source_width && place.y < params.source_height) {
                let pixel = place.y * params.pitch + place.x;
                colour += weight * source[2u * pixel];
                planes += weight * source[2u * pixel + 1u];
            }
        }
    }
    let pixel = id.y * params.width + id.x;
    target_image[2u * pixel] = colour / total;
    target_image[2u * pixel + 1u] = planes / total;
}
