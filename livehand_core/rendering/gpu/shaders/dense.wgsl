// The activations of a tile (TILE rows of PITCH in `x`) times a matrix: NAME_ROWS rows of four outputs a thread.

fn NAME_row(thread: u32) -> u32 {
    return thread / NAME_COLUMNS * NAME_ROWS;
}

fn NAME_product(thread: u32, inputs: u32, weights_at: u32) -> array<vec4<f32>, NAME_ROWS> {
    let row = NAME_row(thread);
    var sums: array<vec4<f32>, NAME_ROWS>;
    if (row >= TILE) {
        return sums;
    }
    for (var k = 0u; k < inputs; k++) {
        let weight = vec4<f32>(weights[weights_at + k * NAME_COLUMNS + thread % NAME_COLUMNS]);
        for (var r = 0u; r < NAME_ROWS; r++) {
            sums[r] += weight * f32(x[(row + r) * PITCH + k]);
        }
    }
    return sums;
}
