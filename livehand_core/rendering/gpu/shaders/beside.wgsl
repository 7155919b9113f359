// The nearest pixel of a row that sees a triangle: as many columns back as the third plane says, positive to the left,
// which wins where both sides are equally near; more than the reach where there is none.

struct Params {
    width: u32,
    height: u32,
    reach: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
// Depths, triangles (see raster.wgsl), columns.
@group(0) @binding(1) var<storage, read_write> surface: array<u32>;

@compute @workgroup_size(8, 8)
fn find(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let pixels = params.width * params.height;
    let pixel = id.y * params.width + id.x;
    var columns = i32(params.reach) + 1;
    for (var away = 0u; away <= params.reach; away++) {
        if (away <= id.x && surface[pixels + pixel - away] < F) {
            columns = i32(away);
            break;
        }
        if (id.x + away < params.width && surface[pixels + pixel + away] < F) {
            columns = -i32(away);
            break;
        }
    }
    surface[2u * pixels + pixel] = bitcast<u32>(columns);
}
