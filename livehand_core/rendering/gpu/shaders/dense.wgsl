// The activations of a tile (TILE rows of PITCH4 fours in `x`) times a matrix: NAME_ROWS rows of four outputs a thread.

fn NAME_row(thread: u32) -> u32 {
    return thread / NAME_COLUMNS * NAME_ROWS;
}

fn NAME_product(thread: u32, fours: u32, weights_at: u32) -> array<vec4<f32>, NAME_ROWS> {
    let row = NAME_row(thread);
    var sums: array<vec4<f32>, NAME_ROWS>;
    if (row >= TILE) {
        return sums;
    }
    for (var k = 0u; k < fours; k++) {
        let at = weights_at + 4u * k * NAME_COLUMNS + thread % NAME_COLUMNS;
        let w0 = vec4<f32>(weights[at]);
        let w1 = vec4<f32>(weights[at + NAME_COLUMNS]);
        let w2 = vec4<f32>(weights[at + 2u * NAME_COLUMNS]);
        let w3 = vec4<f32>(weights[at + 3u * NAME_COLUMNS]);
        for (var r = 0u; r < NAME_ROWS; r++) {
            let value = vec4<f32>(x[(row + r) * PITCH4 + k]);
            sums[r] += value.x * w0 + value.y * w1 + value.z * w2 + value.w * w3;
        }
    }
    return sums;
}
