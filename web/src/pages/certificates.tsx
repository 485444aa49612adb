import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { usePages } from "../data/pages.ts";
import { ofFamily } from "../data/resource.ts";
import { useStore } from "../data/store.ts";
import type { Certificate } from "../data/types.ts";
import { href, route } from "../router.ts";
import { Button } from "../ui/controls.tsx";
import { QueryField } from "../ui/filters.tsx";
import { type Column, ListPage } from "../ui/list-page.tsx";
import { Empty } from "../ui/page.tsx";
import { CertificateImport } from "./certificate-import.tsx";
import { CertificateState, Expiry } from "./certificate-parts.tsx";

const columns: readonly Column<Certificate>[] = [
  {
    title: "Names",
    width: "5fr",
    cell: ({ id, name, names, error }) => (
      <>
        <a class="mono" href={href(["certificates", id])}>
          {names.join(", ") || id}
        </a>
        {error !== undefined ? (
          <span class="hint block" title={error.message}>
            {error.message}
          </span>
        ) : (
          name !== undefined && <span class="hint block">named {name}</span>
        )}
      </>
    ),
  },
  { title: "State", width: "116px", cell: (certificate) => <CertificateState certificate={certificate} /> },
  { title: "Ends", width: "152px", isFar: true, cell: (certificate) => <Expiry certificate={certificate} /> },
  {
    title: "Source",
    width: "2fr",
    isFar: true,
    cell: ({ source, issuer }) => (
      <>
        {source}
        {issuer !== undefined && <span class="hint block">{issuer}</span>}
      </>
    ),
  },
  { title: "Rules", width: "60px", isFar: true, kind: "num", cell: ({ used_by: used }) => used },
];

/** All certificates; those that want attention come first. */
export function CertificatesPage(): JSX.Element {
  const { query } = useStore(route);
  const q = query.get("q") ?? "";
  const list = usePages<Certificate>(
    "/certificates",
    useMemo(() => ({ sort: "urgency", ...(q === "" ? {} : { q }) }), [q]),
    { on: ofFamily("certificate", "ingress"), everyMs: 30_000 },
  );
  const [isImporting, setImporting] = useState(false);
  return (
    <ListPage
      title="Certificates"
      noun={["certificate", "certificates"]}
      list={list}
      columns={columns}
      isTall
      isFiltered={q !== ""}
      actions={
        <Button kind="primary" icon="plus" scope="certificate:write" onClick={() => setImporting(true)}>
          Import a certificate
        </Button>
      }
      empty={
        <Empty title={q === "" ? "There is no certificate yet." : "No certificate fits."}>
          <p>
            A rule with TLS gets one by itself, and has it renewed. Import one where another authority signs
            it.
          </p>
        </Empty>
      }
    >
      <search class="filters">
        <QueryField name="q" label="Name, hostname or issuer" isWide />
      </search>
      {isImporting && <CertificateImport onClose={() => setImporting(false)} onDone={list.reload} />}
    </ListPage>
  );
}
