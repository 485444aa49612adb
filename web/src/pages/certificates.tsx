import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, call, get, segment } from "../data/client.ts";
import { ofFamily, useResource } from "../data/resource.ts";
import type { Certificate, ImportCertificateRequest } from "../data/types.ts";
import { plural } from "../format.ts";
import { announce } from "../ui/announce.tsx";
import { Button, Dialog, Field, TextField } from "../ui/controls.tsx";
import { Empty, Failure, Loaded, Page } from "../ui/page.tsx";
import { Time } from "../ui/time.tsx";
import { CertificateState, Expiry } from "./certificate-parts.tsx";

const MOST_SHOWN = 500;
const order = { failed: 0, expired: 1, pending: 2, ready: 3, idle: 4 } as const;

export function CertificatesPage(): JSX.Element {
  const certificates = useResource(
    "certificates",
    (signal) => get<readonly Certificate[]>("/certificates", {}, signal),
    { on: ofFamily("certificate", "ingress"), everyMs: 30_000 },
  );
  const [isImporting, setImporting] = useState(false);
  return (
    <Page
      title="Certificates"
      actions={
        <Button kind="primary" icon="plus" scope="certificate:write" onClick={() => setImporting(true)}>
          Import a certificate
        </Button>
      }
    >
      <Loaded of={certificates}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="There is no certificate yet.">
              <p>
                A rule with TLS gets one by itself, and has it renewed. Import one where another authority
                signs it.
              </p>
            </Empty>
          ) : (
            <Table certificates={list} onChange={certificates.reload} />
          )
        }
      </Loaded>
      {isImporting && <Import onClose={() => setImporting(false)} onDone={certificates.reload} />}
    </Page>
  );
}

function Table({
  certificates,
  onChange,
}: {
  readonly certificates: readonly Certificate[];
  readonly onChange: () => void;
}): JSX.Element {
  const sorted = certificates.toSorted(
    (one, other) =>
      order[one.state] - order[other.state] || (one.not_after ?? "").localeCompare(other.not_after ?? ""),
  );
  return (
    <>
      <table>
        <thead>
          <tr>
            <th scope="col">Names</th>
            <th scope="col">State</th>
            <th scope="col">Ends</th>
            <th scope="col" class="far">
              Source
            </th>
            <th scope="col" class="far num">
              Rules
            </th>
            <th scope="col">
              <span class="hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, MOST_SHOWN).map((certificate) => (
            <Row key={certificate.id} certificate={certificate} onChange={onChange} />
          ))}
        </tbody>
      </table>
      {sorted.length > MOST_SHOWN && (
        <p class="hint">{plural(sorted.length - MOST_SHOWN, "more certificate")}, all of them later.</p>
      )}
    </>
  );
}

function Row({
  certificate,
  onChange,
}: {
  readonly certificate: Certificate;
  readonly onChange: () => void;
}): JSX.Element {
  const { id, name, names, source, issuer, error, used_by: used } = certificate;
  const remove = (): void =>
    void call("DELETE", `/certificates/${segment(id)}`).then(
      () => {
        announce(`The certificate ${name ?? id} was deleted.`);
        onChange();
      },
      (thrown: unknown) => thrown instanceof ApiError && announce(thrown.message),
    );
  return (
    <tr>
      <td>
        <span class="mono">{names.join(", ")}</span>
        {name !== undefined && <span class="hint">named {name}</span>}
        {error !== undefined && (
          <span class="hint">
            <Time at={error.at} />, {plural(error.failures, "failure")} in a row: {error.message}
          </span>
        )}
      </td>
      <td>
        <CertificateState certificate={certificate} />
      </td>
      <td>
        <Expiry certificate={certificate} />
      </td>
      <td class="far">
        {source}
        {issuer !== undefined && <span class="hint">{issuer}</span>}
      </td>
      <td class="far num">{used}</td>
      <td class="num">
        {source === "imported" && (
          <Button
            kind="plain"
            scope="certificate:write"
            label={`Delete ${name ?? names[0] ?? id}`}
            blocked={used > 0 ? "Rules use it." : undefined}
            onClick={remove}
          >
            Delete
          </Button>
        )}
      </td>
    </tr>
  );
}

const empty: ImportCertificateRequest = { name: "", certificate_pem: "", key_pem: "" };
const LARGEST_FILE = 512 * 1024;

/** PEM by dropping files, choosing them, or pasting: which of them has the key is seen by what is in it. */
function Import({
  onClose,
  onDone,
}: {
  readonly onClose: () => void;
  readonly onDone: () => void;
}): JSX.Element {
  const [form, setForm] = useState(empty);
  const [error, setError] = useState<ApiError>();
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
    try {
      const { name, ...pems } = form;
      await call("POST", "/certificates", { body: name === "" ? pems : { name, ...pems } });
      announce("The certificate was imported.");
      onDone();
      onClose();
    } catch (thrown) {
      if (thrown instanceof ApiError) setError(thrown);
    }
  };
  const problem = (field: string): string | undefined =>
    error?.details.find((one) => one.field === field)?.message;
  return (
    <Dialog
      title="Import a certificate"
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" onClick={() => void send()}>
            Import
          </Button>
        </>
      }
    >
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
      {error && <Failure error={error} />}
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
