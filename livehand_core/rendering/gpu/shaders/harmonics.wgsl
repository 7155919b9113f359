// Directions against the light (docs/method.md 1.12): harmonics of degree 3, clipped cosines and reflection lobes.

const TERMS = 16u;

// Irradiance has none beyond degree 2.
const DIFFUSE_TERMS = 9u;

// As `livehand_core.harmonics.basis`.
fn basis(d: vec3<f32>) -> array<f32, TERMS> {
    let s = d * d;
    let difference = s.x - s.y;
    return array<f32, TERMS>(
        0.28209479,
        0.48860251 * d.y,
        0.48860251 * d.z,
        0.48860251 * d.x,
        1.09254843 * d.x * d.y,
        1.09254843 * d.y * d.z,
        0.31539157 * (3.0 * s.z - 1.0),
        1.09254843 * d.x * d.z,
        0.54627422 * difference,
        0.59004359 * d.y * (3.0 * s.x - s.y),
        2.89061144 * d.x * d.y * d.z,
        0.45704579 * d.y * (5.0 * s.z - 1.0),
        0.37317633 * d.z * (5.0 * s.z - 3.0),
        0.45704579 * d.x * (5.0 * s.z - 1.0),
        1.44530572 * d.z * difference,
        0.59004359 * d.x * (s.x - 3.0 * s.y),
    );
}

// What of a round lamp's irradiance facing it reaches a surface, with the sine of its angular radius.
fn wrapped_cosine(cosine: f32, sine: f32) -> f32 {
    let between = clamp(cosine + sine, 0.0, 2.0 * sine);
    return between * between / (4.0 * sine) + max(cosine - sine, 0.0);
}

// Density of a reflection lobe at a lamp: its sharpness, its peak, and the most that the lamp's size lets it be.
fn lobe(cosine: f32, shape: vec3<f32>) -> f32 {
    return min(shape.y * exp(shape.x * (cosine - 1.0)), shape.z);
}
