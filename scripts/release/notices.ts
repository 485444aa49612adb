import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { top } from "../steps.ts";

/** The part of package-lock.json that is read here. */
interface Lock {
  readonly packages: {
    readonly [folder: string]: {
      readonly version?: string;
      readonly dev?: boolean;
      readonly devOptional?: boolean;
      readonly optional?: boolean;
      readonly license?: string;
    };
  };
}

/** Writes the licences of all libraries that the program is made of; theirs demand that they come along. */
export async function writeNotices(file: string): Promise<void> {
  const lock = JSON.parse(await readFile(path.join(top, "package-lock.json"), "utf8")) as Lock;
  // What is optional builds the dashboard in a clone.
  const folders = Object.entries(lock.packages).filter(
    ([folder, { dev, devOptional, optional }]) => folder !== "" && !(dev || devOptional || optional),
  );
  const notices = await Promise.all(
    folders.map(async ([folder, { license = "", version = "" }]) => {
      const name = folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);
      return `${name} ${version} (${license})\n\n${await licenceIn(path.join(top, folder))}`;
    }),
  );
  await writeFile(file, notices.join(`\n${"-".repeat(100)}\n\n`));
}

async function licenceIn(folder: string): Promise<string> {
  const names = await readdir(folder).catch(() => []);
  const name = names.find((one) => /^(?:licen[cs]e|copying)/i.test(one));
  return name === undefined ? "" : readFile(path.join(folder, name), "utf8");
}
