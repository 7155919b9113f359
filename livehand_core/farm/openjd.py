"""A farm job as a template of OpenJD, the open job description that AWS Deadline Cloud runs. Standard library only.

The template lies in the job's folder as ``template.json``: ``openjd check`` and ``openjd run`` take it, and
``deadline bundle submit`` the folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..files import atomic_path
from .job import JOB_FILE, Job

TEMPLATE_FILE = "template.json"
LONGEST_NAME = 128
LONGEST_CHUNK = 7 * 24 * 3600
"""Seconds after which a chunk is taken for dead."""


def template(job: Job) -> dict[str, Any]:
    """The template: a step of chunks, each a task of its own, and a step that waits for it and makes the whole."""
    job_file = "{{Param.JobFolder}}/" + JOB_FILE
    chunk = {"name": "Chunk", "type": "INT", "range": f"1-{job.chunks}"}
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "name": job.name[:LONGEST_NAME],
        "parameterDefinitions": [
            {
                "name": "JobFolder",
                "type": "PATH",
                "objectType": "DIRECTORY",
                "dataFlow": "INOUT",
                "default": ".",
                "description": "The folder that the job was written to: scene, avatars and pictures.",
            }
        ],
        "steps": [
            {
                "name": "Render",
                "parameterSpace": {"taskParameterDefinitions": [chunk]},
                "script": _script(job.worker(job_file, "--chunk", f"{{{{Task.Param.Chunk}}}}/{job.chunks}")),
            },
            {
                "name": "Merge",
                "dependencies": [{"dependsOn": "Render"}],
                "script": _script(job.worker(job_file, "--merge")),
            },
        ],
    }


def write_template(folder: Path, job: Job) -> None:
    """Write the template into the job's folder. Raises LiveHandError when it cannot be written."""
    with atomic_path(folder / TEMPLATE_FILE) as temporary:
        temporary.write_text(json.dumps(template(job), indent=2) + "\n", encoding="utf-8")


def _script(command: list[str]) -> dict[str, Any]:
    program, *arguments = command
    # A worker that is asked to end finishes nothing, but leaves whole pictures only.
    cancelation = {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": 30}
    action = {"command": program, "args": arguments, "timeout": LONGEST_CHUNK, "cancelation": cancelation}
    return {"actions": {"onRun": action}}
