import { describe, expect, it } from "vitest";
import { isPathProblem, normalizePath } from "../../src/model/path.ts";
import { cleanPath, pathTakes } from "../support/reference-matcher.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** The stored form of an exact path. */
function stored(value: string): string {
  const path = normalizePath({ type: "exact", value });
  if (isPathProblem(path)) throw new Error(path.problem);
  return path.value;
}

describe("dots and doubled slashes", () => {
  it.each([
    ["/", "/"],
    ["//", "/"],
    ["/a//b", "/a/b"],
    ["/a/", "/a/"],
    ["/a//", "/a/"],
    ["/a/.", "/a/"],
    ["/a/./b", "/a/b"],
    ["/a/b/..", "/a/"],
    ["/a/..", "/"],
    ["/../../a", "/a"],
    ["/a//../b", "/b"],
    ["/...", "/..."],
    ["/.a/..b", "/.a/..b"],
    ["/A", "/A"],
  ])("%s → %s", (dirty, clean) => {
    expect(stored(dirty)).toBe(clean);
    expect(cleanPath(dirty)).toBe(clean);
  });

  it("agrees with URL's own removal of dot segments where no slash is doubled", () => {
    const random = seededRandom(11);
    const pieces = ["a", "b", ".", "..", "..."];
    for (let round = 0; round < 2_000; round += 1) {
      const count = 1 + Math.floor(random() * 5);
      const path = `/${Array.from({ length: count }, () => pieces[Math.floor(random() * 5)]).join("/")}`;
      expect(stored(path), path).toBe(new URL(`http://x${path}`).pathname);
    }
  });
});

describe("pathTakes", () => {
  it.each([
    ["prefix", "/api", "/api", true],
    ["prefix", "/api", "/api/", true],
    ["prefix", "/api", "/api/v1", true],
    ["prefix", "/api", "/apiv1", false],
    ["prefix", "/api", "/API", false],
    ["prefix", "/", "/anything", true],
    ["exact", "/api", "/api", true],
    ["exact", "/api", "/api/", false],
    ["exact", "/api", "/api/v1", false],
    ["exact", "/", "/x", false],
  ] as const)("%s %s takes %s: %s", (type, value, path, taken) => {
    expect(pathTakes({ type, value }, path)).toBe(taken);
  });

  it("takes every path without one", () => {
    expect(pathTakes(undefined, "/x")).toBe(true);
  });
});

describe("normalizePath", () => {
  it("changes nothing the second time, and takes what it took before", () => {
    const random = seededRandom(3);
    const pieces = ["/", "a", "B", ".", "..", "%61", "%2F", "%20", "ü", ";", "%2e"];
    for (let round = 0; round < 2_000; round += 1) {
      const value = `/${Array.from({ length: 6 }, () => pieces[Math.floor(random() * pieces.length)]).join("")}`;
      for (const type of ["prefix", "exact"] as const) {
        const once = normalizePath({ type, value });
        if (isPathProblem(once)) throw new Error(`${value}: ${once.problem}`);
        expect(normalizePath(once), value).toEqual(once);
        expect(pathTakes(once, cleanPath(decodeURIComponent(value))), value).toBe(true);
      }
    }
  });

  it("refuses text that is no Unicode", () => {
    expect(isPathProblem(normalizePath({ type: "prefix", value: "/\ud800" }))).toBe(true);
  });
});
