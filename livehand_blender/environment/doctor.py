"""The doctor's operators: examine, copy what was found."""

# Blender reads the annotations of these classes as values, so they are not postponed.
# What only an operator needs is imported by it, so that the add-on is switched on quickly.

from typing import TYPE_CHECKING, Any

import bpy

from ..background import Task, TaskOperator, task
from ..preferences import interpreter_preference, made_environment
from ..registration import classes, registration

if TYPE_CHECKING:
    from livehand_core.doctor import Finding

DOCTOR_KEY = "doctor"


class LIVEHAND_OT_doctor(TaskOperator, bpy.types.Operator):
    """List what is installed, which devices there are and what is missing"""

    bl_idname = "livehand.doctor"
    bl_label = "LiveHand Doctor"
    bl_options = {"REGISTER"}
    task_key = DOCTOR_KEY

    def make_task(self, _context: Any) -> "Task[list[Finding]]":
        from livehand_core.doctor import Finding, examine

        preference, made = interpreter_preference(), made_environment()
        access = "allowed" if bpy.app.online_access else "not allowed"
        first = Finding("Blender", "ok", f"{bpy.app.version_string}, online access {access}")

        def work(task: Task[list[Finding]]) -> list[Finding]:
            found = [first]
            for number, finding in enumerate(examine(preference, made)):
                task.check()
                # Which Blender a terminal would find is of no concern inside one.
                if finding.topic != first.topic:
                    found.append(finding)
                task.tell(min(0.9, 0.07 * number), f"Looked at {finding.topic}")
            return found

        return Task("LiveHand Doctor", work)

    def execute(self, context: Any) -> set[str]:
        result = super().execute(context)
        known = task(DOCTOR_KEY)
        if result == {"FINISHED"} and known is not None:
            print(_as_text(known.answer or []))
        return result

    def done_message(self, answer: "list[Finding]") -> str:
        problems = [finding for finding in answer if finding.state == "problem"]
        if not problems:
            return "Everything that rendering needs is here"
        return f"Missing: {problems[0].topic}: {problems[0].detail} {problems[0].remedy}"


class LIVEHAND_OT_doctor_copy(bpy.types.Operator):
    """Copy what the doctor found, to paste it into a report"""

    bl_idname = "livehand.doctor_copy"
    bl_label = "Copy Findings"
    bl_options = {"INTERNAL"}

    def execute(self, context: Any) -> set[str]:
        known = task(DOCTOR_KEY)
        if known is None or not known.answer:
            return {"CANCELLED"}
        context.window_manager.clipboard = _as_text(known.answer)
        return {"FINISHED"}


def _as_text(findings: "list[Finding]") -> str:
    from livehand_core.doctor import as_text

    return "\n".join(as_text(finding) for finding in findings)


register, unregister = registration(classes(LIVEHAND_OT_doctor, LIVEHAND_OT_doctor_copy))
