// Key lamps as a pixel sees them. The kernel that this goes into declares `maps`, and `params` with lamps and map_rows.

// A row of `kernels/shading/lamps.py`, in fours.
struct Lamp {
    // Kind; a direction where it is far, else a position.
    place: vec4<f32>,
    // Colour, and the distance at which it counts at least.
    colour: vec4<f32>,
    // Square of a disc's radius, and its axis.
    axis: vec4<f32>,
    // Cosine at which a cone's border begins, how steep that is; inverse tangent of a disc's spread; sine of the
    // angular radius.
    border: vec4<f32>,
    // Flux, then sharpness, peak and most of the wide lobe.
    rough: vec4<f32>,
    // Those of the narrow lobe; how far its shadow is looked up at pixels.
    oily: vec4<f32>,
    // Number of its depth map, or -1.
    shadow: vec4<f32>,
    unused: vec4<f32>,
}

const DISC = 2.0;
const CONE = 3.0;

// Unit direction to a lamp, and the share of its colour that it sends to a point as irradiance.
fn lamp_at(lamp: Lamp, point: vec3<f32>) -> vec4<f32> {
    if (lamp.place.x == 0.0) {
        return vec4<f32>(lamp.place.yzw, 1.0);
    }
    let offset = lamp.place.yzw - point;
    let towards = unit(offset);
    let distance = max(length(offset), lamp.colour.w);
    var strength = 1.0 / (distance * distance + lamp.axis.x);
    let cosine = -dot(towards, lamp.axis.yzw);
    if (lamp.place.x == CONE) {
        let step = clamp((cosine - lamp.border.x) * lamp.border.y, 0.0, 1.0);
        strength *= step * step * (3.0 - 2.0 * step);
    }
    if (lamp.place.x == DISC) {
        var shade = max(cosine, 0.0);
        if (lamp.border.z > 0.0) {
            let tangent = sqrt(max(1.0 - cosine * cosine, 0.0)) / max(shade, 1e-9);
            shade *= max(1.0 - tangent * lamp.border.z, 0.0);
        }
        strength *= shade;
    }
    return vec4<f32>(towards, strength);
}

// How far a texel lets light through to a depth: 1 in front of what it holds, 0 behind it. Those beyond the map are those at
// its border.
fn through(first: u32, place: vec2<i32>, depth: f32) -> f32 {
    let side = i32(params.map_side);
    let texel = clamp(place, vec2<i32>(0), vec2<i32>(side - 1));
    return clamp((maps[first + u32(texel.y * side + texel.x)] - depth) / SOFTNESS + 1.0, 0.0, 1.0);
}

// What of a small lamp reaches a point of the skin: a bilinear look-up widened by a box, 3 x 3 texels.
fn unshadowed(number: u32, point: vec3<f32>, normal: vec3<f32>) -> f32 {
    let row = params.map_rows[number];
    let lifted = vec4<f32>(point + LIFT * normal, 1.0);
    let depth = dot(row[2], lifted);
    var focal = row[3].x;
    if (row[3].z > 0.0) {
        focal /= max(depth, 1e-4);
    }
    let place = focal * vec2<f32>(dot(row[0], lifted), dot(row[1], lifted)) + row[3].y;
    let corner = clamp(floor(place - 0.5), vec2<f32>(-1e6), vec2<f32>(1e6));
    let inside = clamp(place - 0.5 - corner, vec2<f32>(0.0), vec2<f32>(1.0));
    let first = number * params.map_side * params.map_side;
    var sum = 0.0;
    for (var i = 0; i < 4; i++) {
        let down = select(select(1.0, inside.y, i == 3), 1.0 - inside.y, i == 0);
        for (var j = 0; j < 4; j++) {
            let across = select(select(1.0, inside.x, j == 3), 1.0 - inside.x, j == 0);
            sum += down * across * through(first, vec2<i32>(corner) + vec2<i32>(j - 1, i - 1), depth);
        }
    }
    return sum / 9.0;
}
