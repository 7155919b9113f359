// What every kernel knows. `real` (f32 or f16) and sizes in capitals are put in front of this text.

// A depth at which nothing is: infinities are not to be relied on in shaders.
const NOTHING = 1e30;

// Nearest depth that is drawn, in metres (perspective).
const MIN_DEPTH = 1e-3;

// Workgroups in a row of a dispatch; devices allow 65535 of them in one direction.
const ROW = 4096u;

// World in metres, OpenCV axes; `centre` is what the ray of pixel (0, 0) is measured from.
struct Camera {
    to_camera: array<vec4<f32>, 3>,
    to_world: array<vec4<f32>, 3>,
    focal: vec2<f32>,
    centre: vec2<f32>,
    width: u32,
    height: u32,
    orthographic: u32,
    unused: u32,
}

// x(t) = origin + t direction, t being depth along the optical axis; `stretch` is the direction's length.
struct Ray {
    origin: vec3<f32>,
    direction: vec3<f32>,
    stretch: f32,
}

fn turned(matrix: array<vec4<f32>, 3>, x: vec4<f32>) -> vec3<f32> {
    return vec3<f32>(dot(matrix[0], x), dot(matrix[1], x), dot(matrix[2], x));
}

// Docs/method.md 1.3, through a pixel of the camera's own grid.
fn ray_of(camera: Camera, column: u32, row: u32) -> Ray {
    let plane = (vec2<f32>(f32(column), f32(row)) - camera.centre) / camera.focal;
    if (camera.orthographic != 0u) {
        let axis = turned(camera.to_world, vec4<f32>(0.0, 0.0, 1.0, 0.0));
        return Ray(turned(camera.to_world, vec4<f32>(plane, 0.0, 1.0)), axis, 1.0);
    }
    let direction = vec3<f32>(plane, 1.0);
    let centre = turned(camera.to_world, vec4<f32>(0.0, 0.0, 0.0, 1.0));
    return Ray(centre, turned(camera.to_world, vec4<f32>(direction, 0.0)), length(direction));
}

fn unit(x: vec3<f32>) -> vec3<f32> {
    return x / max(length(x), 1e-12);
}
