// Sine and cosine that hold to float32's digits at any argument of the encoding; a device's own need not.

fn sine_cosine(x: f32) -> vec2<f32> {
    let quarter = round(x * 0.63661977);
    // pi/2 in three parts, the products with the first two of which are exact.
    let r = ((x - quarter * 1.5703125) - quarter * 4.837512969970703125e-4) - quarter * 7.54978995489188e-8;
    let rr = r * r;
    let sine = r + r * rr * (-1.6666654611e-1 + rr * (8.3321608736e-3 - rr * 1.9515295891e-4));
    let cosine = 1.0 - 0.5 * rr + rr * rr * (4.166664568298827e-2 + rr * (-1.388731625493765e-3 + rr * 2.443315711809948e-5));
    let turned = i32(quarter) & 3;
    if (turned == 0) {
        return vec2<f32>(sine, cosine);
    }
    if (turned == 1) {
        return vec2<f32>(cosine, -sine);
    }
    if (turned == 2) {
        return vec2<f32>(-sine, -cosine);
    }
    return vec2<f32>(-cosine, sine);
}
