import { readFile } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { StoredCertificate } from "../../src/certificates/imported-certificate.ts";
import { ImportedCertificates } from "../../src/certificates/imported-certificates.ts";
import { importedCertificatePath } from "../../src/compiler/tls.ts";
import { createTestAuthority } from "../support/acme/test-authority.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>> | undefined;
afterEach(() => folder?.[Symbol.asyncDispose]());

describe("an import that cannot be stored", () => {
  it("is taken back from Caddy too, which loads the certificate that was before", async () => {
    folder = await temporaryFolder();
    const store = new MemoryStore<StoredCertificate>();
    const imported = new ImportedCertificates({ store, folder: folder.path, logger: recordingLogger() });
    await imported.open();
    const authority = await createTestAuthority();
    const pair = async () => {
      const { certificate, key } = await authority.issue({ names: ["a.test"] });
      return { name: "site", certificate_pem: certificate, key_pem: key };
    };
    const { certificate } = await imported.put(await pair());
    const path = importedCertificatePath(folder.path, certificate.id);
    const before = await readFile(path, "utf8");
    /** What Caddy finds at each load: the digest that names the certificate, and the file. */
    const loads: { digest: string | undefined; file: string }[] = [];
    imported.connect({
      usesOf: () => 1,
      confirm: async () => undefined,
      revision: () => 0,
      reload: async () => {
        loads.push({ digest: imported.digests().get(certificate.id), file: await readFile(path, "utf8") });
      },
    });
    store.beforeCommit = () => Promise.reject(new Error("the disk is full"));
    await expect(imported.put(await pair())).rejects.toThrow("the disk is full");
    expect(loads).toHaveLength(2);
    expect(loads[0]?.file).not.toBe(before);
    expect(loads[1]).toEqual({ digest: certificate.digest, file: before });
    expect(imported.find("site")).toEqual(certificate);
    await imported.close();
  });
});
