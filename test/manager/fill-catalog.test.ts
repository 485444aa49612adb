import { describe, expect, it } from "vitest";
import { fillCatalog } from "../../src/manager/fill-catalog.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { recordingLogger } from "../support/recording-logger.ts";

describe("C11: a damaged journal", () => {
  it("is named by its own file, and the hostnames in it stay claimed", () => {
    const { catalog, problems } = fillCatalog(
      {
        revision: 1,
        documents: [],
        unreadable: [
          {
            kind: "journal",
            id: ".journal-00000001",
            path: "/data/ingresses/.journal-00000001",
            reason: "a line is unreadable",
            text: '"hostname":"lost.test"',
          },
        ],
      },
      compilerSettings(),
      recordingLogger(),
    );
    expect(problems).toEqual([expect.stringContaining("the journal file .journal-00000001 is damaged")]);
    expect(catalog.setAside.list()).toEqual([]);
    const match = { hostname: "lost.test", port: 80 };
    const rules = [{ match, target: { instance: "a", port: 1 }, tls: false, redirect_http: false }];
    const { claims } = catalog.setAside.problems({ name: "new", rules });
    expect(claims[0]?.message).toContain("compare the journal file with the ingresses");
  });
});
