import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call } from "../data/client.ts";
import type { ImportCertificateRequest } from "../data/types.ts";
import { announce } from "../ui/announce.tsx";
import { Field, TextField } from "../ui/controls.tsx";
import { Dialog } from "../ui/dialog.tsx";

const empty: ImportCertificateRequest = { name: "", certificate_pem: "", key_pem: "" };
const LARGEST_FILE = 512 * 1024;

interface CertificateImportProps {
  readonly onClose: () => void;
  readonly onDone: () => void;
}

/** PEM by dropping files, choosing them, or pasting: which of them has the key is seen by what is in it. */
export function CertificateImport({ onClose, onDone }: CertificateImportProps): JSX.Element {
  const [form, setForm] = useState(empty);
  const [isOver, setOver] = useState(false);
  const take = async (files: Iterable<File>): Promise<void> => {
    for (const file of files) {
      if (file.size > LARGEST_FILE) continue;
      const text = await file.text();
      const blocks = text.match(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]+?-----END \1-----/g) ?? [];
      const keys = blocks.filter(
        (block) => block.startsWith("-----BEGIN ") && /PRIVATE KEY-----/.test(block),
      );
      const chain = blocks.filter((block) => /BEGIN CERTIFICATE-----/.test(block));
      const pem = (parts: readonly string[]): string => `${parts.join("\n")}\n`;
      // What is neither is left to the API to judge.
      setForm((old) => ({
        ...old,
        ...(chain.length > 0 || keys.length === 0
          ? { certificate_pem: chain.length > 0 ? pem(chain) : text }
          : {}),
        ...(keys.length > 0 ? { key_pem: pem(keys) } : {}),
      }));
    }
  };
  const send = async (): Promise<void> => {
    const { name, ...pems } = form;
    await call("POST", "/certificates", { body: name === "" ? pems : { name, ...pems } });
    announce("The certificate was imported.");
    onDone();
  };
  return (
    <Dialog title="Import a certificate" submit="Import" onSubmit={send} onClose={onClose}>
      {(problem) => (
        <>
          <div
            role="group"
            aria-label="Files"
            class={`drop ${isOver ? "over" : ""}`}
            onDragOver={(event) => {
              event.preventDefault();
              setOver(true);
            }}
            onDragLeave={() => setOver(false)}
            onDrop={(event) => {
              event.preventDefault();
              setOver(false);
              void take(event.dataTransfer?.files ?? []);
            }}
          >
            <label class="chooser">
              Drop the files of certificate and key here, or choose them
              <input
                type="file"
                multiple
                accept=".pem,.crt,.cer,.key"
                onChange={(event) => void take(event.currentTarget.files ?? [])}
              />
            </label>
          </div>
          <Pem
            label="Certificate and chain (PEM)"
            value={form.certificate_pem}
            error={problem("certificate_pem")}
            onInput={(text) => setForm({ ...form, certificate_pem: text })}
          />
          <Pem
            label="Private key (PEM)"
            value={form.key_pem}
            error={problem("key_pem")}
            onInput={(text) => setForm({ ...form, key_pem: text })}
          />
          <TextField
            label="Name"
            value={form.name ?? ""}
            error={problem("name")}
            onInput={(text) => setForm({ ...form, name: text })}
            hint="Optional: rules may refer to it, and an import of the same name replaces it without an outage."
          />
        </>
      )}
    </Dialog>
  );
}

function Pem({
  label,
  value,
  error,
  onInput,
}: {
  readonly label: string;
  readonly value: string;
  readonly error: string | undefined;
  readonly onInput: (text: string) => void;
}): JSX.Element {
  return (
    <Field label={label} error={error}>
      {(props) => (
        <textarea
          {...props}
          class="mono"
          rows={4}
          spellcheck={false}
          autocomplete="off"
          value={value}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}
