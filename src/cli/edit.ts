import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Plan } from "../model/api.ts";
import { showPlan } from "./commands/shared.ts";
import { documentsOf } from "./documents.ts";
import { exitCodes, Failure } from "./failure.ts";
import type { Session } from "./session.ts";

/** A text that was changed in an editor. */
export interface Edited {
  /** Shows what a change would do. Throws when it would be refused. */
  plan(change: object): Promise<void>;
  /** Runs a change with the document that the text is. When it fails, the text is kept, and its place told. */
  keepingOnFailure(run: (document: unknown) => Promise<void>): Promise<void>;
}

function keptIn(path: string): string {
  return `Your text is kept in ${path}.`;
}

/** Some editors delete what is left empty. */
function readEdited(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    rmSync(dirname(path), { recursive: true });
    throw new Failure(
      `the editor left no text that can be read (${(error as NodeJS.ErrnoException).code}): nothing was changed`,
      exitCodes.failed,
    );
  }
}

/** Has a text changed in $VISUAL or $EDITOR; undefined when it was left as it is, or emptied. */
export async function editText(session: Session, text: string, name: string): Promise<Edited | undefined> {
  const { env } = session.io;
  const editor = env["VISUAL"] || env["EDITOR"] || "vi";
  const folder = mkdtempSync(join(tmpdir(), "gatewright-edit-"));
  const path = join(folder, basename(name));
  writeFileSync(path, `${text}\n`, { mode: 0o600 });
  // By a shell, since editors are set with arguments (`code --wait`).
  const { error, signal, status } = spawnSync("/bin/sh", ["-c", `${editor} "$1"`, "sh", path], {
    stdio: "inherit",
  });
  const hasFailed = error !== undefined || status !== 0;
  const edited = readEdited(path);
  const isChanged = edited.trim() !== text.trim() && edited.trim() !== "";
  if (!isChanged) rmSync(folder, { recursive: true });
  if (hasFailed) {
    if (isChanged) session.note(keptIn(path));
    const how = error?.message ?? signal ?? `status ${status}`;
    throw new Failure(`${editor} ended with ${how}: nothing was changed`, exitCodes.failed);
  }
  if (!isChanged) return undefined;
  return {
    plan: async (change) => {
      const call = { method: "POST", path: "/plan", body: change };
      const { body } = await session.api.call<Plan>(call).catch((error: unknown) => {
        throw ofText(error);
      });
      showPlan(session, body);
    },
    keepingOnFailure: async (run) => {
      try {
        const [document] = await documentsOf(edited, path);
        await run(document);
      } catch (failure) {
        session.note(keptIn(path));
        throw failure;
      }
      rmSync(folder, { recursive: true });
    },
  };
}

/** A refused plan with the fields as they are in the text, which is `replace.ingress` of the plan. */
function ofText(error: unknown): unknown {
  if (!(error instanceof Failure)) return error;
  const details = error.details.map((problem) => {
    const field = problem.field?.replace(/^replace\.ingress\./, "");
    return field === undefined ? problem : { ...problem, field };
  });
  return new Failure(details[0]?.message ?? error.message, error.exitCode, details);
}
