// SPDX-License-Identifier: GPL-3.0-or-later
//
// A job type of Flamenco for farm jobs of LiveHand: copy this file into the folder "scripts" beside Flamenco Manager.
// The job itself is a folder that Blender's panel Render on Farm writes, on a disk that all workers share.

const JOB_TYPE = {
    label: "LiveHand Render",
    description: "Render a farm job of LiveHand in chunks, then the frames that are missing and the video",
    settings: [
        { key: "job_file", type: "string", subtype: "file_path", required: true, visible: "submission",
          description: "The file job.json of the job's folder, on a disk that all workers share" },
        { key: "chunks", type: "int32", required: true, default: 8, propargs: { min: 1 }, visible: "submission",
          description: "In how many chunks the job was written; job.json tells" },
    ],
};

function compileJob(job) {
    const settings = job.settings;
    const merge = author.Task("merge", "blender");
    merge.addCommand(batch(settings, ["--merge"]));
    for (let chunk = 1; chunk <= settings.chunks; chunk++) {
        const task = author.Task(`render-${chunk}`, "blender");
        task.addCommand(batch(settings, ["--chunk", `${chunk}/${settings.chunks}`]));
        merge.addDependency(task);
        job.addTask(task);
    }
    job.addTask(merge);
}

// Blender's command of the LiveHand extension, which has to be enabled on each worker.
function batch(settings, more) {
    const words = ["--background", "--command", "livehand_batch", settings.job_file];
    return author.Command("exec", { exe: "{blender}", args: words.concat(more) });
}
