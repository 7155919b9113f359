// One hand's passes over its box: colour, depth, and where they are wanted normal and canonical coordinates, plane
// after plane. Depth and normals come from the proxy where it is seen, which is sharper than the field's depth.

struct Params {
    camera: Camera,
    normal_to_world: array<vec4<f32>, 3>,
    // The picture's pixels in a row; the box's size is the camera's.
    pitch: u32,
    // Depth of the hand's middle, where the field says nothing; factor from depths here to the world's.
    middle: f32,
    scale: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read> topology: array<u32>;
@group(0) @binding(2) var<storage, read> face_uv: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> posed: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> picture: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> surface: array<u32>;
@group(0) @binding(6) var<storage, read_write> answer: array<f32>;

fn put(at: u32, value: vec3<f32>) {
    for (var k = 0u; k < 3u; k++) {
        answer[at + k] = value[k];
    }
}

fn world_normal(ray: Ray, depth: f32, seen: bool) -> vec3<f32> {
    let found = nearest(ray.origin + ray.direction * depth);
    let normal = smooth_normal(found);
    // The inside of the open wrist is seen from behind; the face decides, as smooth normals turn at silhouettes.
    let behind = seen && dot(posed[FACE_NORMALS + found.face].xyz, ray.direction) > 0.0;
    return turned(params.normal_to_world, vec4<f32>(select(normal, -normal, behind), 0.0));
}

@compute @workgroup_size(8, 8)
fn finish(@builtin(global_invocation_id) id: vec3<u32>) {
    let width = params.camera.width;
    if (id.x >= width || id.y >= params.camera.height) {
        return;
    }
    let pixels = width * params.camera.height;
    let pixel = id.y * width + id.x;
    let colour = picture[2u * (id.y * params.pitch + id.x)];
    let planes = picture[2u * (id.y * params.pitch + id.x) + 1u];
    let drawn = colour.w > 0.0;
    for (var k = 0u; k < 4u; k++) {
        answer[4u * pixel + k] = colour[k];
    }
    let field_depth = select(params.middle, planes.x / max(planes.y, 1e-12), planes.y > 0.0);
    var depth = field_depth;
    var seen = false;
    if (WITH_SURFACE) {
        let here = bitcast<f32>(surface[pixel]);
        seen = here < NOTHING;
        depth = select(field_depth, here, seen);
    }
    answer[4u * pixels + pixel] = select(NOTHING, depth * params.scale, drawn);
    let ray = ray_of(params.camera, id.x, id.y);
    if (WITH_NORMAL) {
        var normal = vec3<f32>(0.0);
        if (drawn) {
            normal = world_normal(ray, depth, seen);
        }
        put(5u * pixels + 3u * pixel, normal);
    }
    if (WITH_UVD) {
        var uvd = vec3<f32>(0.0);
        if (drawn) {
            uvd = canonical(ray.origin + ray.direction * field_depth).uvd * vec3<f32>(1.0, 1.0, params.scale);
        }
        put(select(5u, 8u, WITH_NORMAL) * pixels + 3u * pixel, uvd);
    }
}
