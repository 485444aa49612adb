import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { call, segment } from "../data/client.ts";
import { usePages } from "../data/pages.ts";
import { ofFamily } from "../data/resource.ts";
import type { CreateTokenRequest, Scope, Token, TokenLimits } from "../data/types.ts";
import { announce } from "../ui/announce.tsx";
import { Button, Check, Copy, Field, TextField } from "../ui/controls.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { type Column, ListPage } from "../ui/list-page.tsx";
import { Empty } from "../ui/page.tsx";
import { Notice, State } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";

const all = {};

export function TokensPage(): JSX.Element {
  const list = usePages<Token>("/tokens", all, { on: ofFamily("token") });
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState<Token>();
  const [leaving, setLeaving] = useState<Token>();
  const columns = useMemo(() => columnsOf(setLeaving), []);
  return (
    <ListPage
      title="Tokens"
      noun={["token", "tokens"]}
      list={list}
      columns={columns}
      isTall
      actions={
        <Button kind="primary" icon="plus" scope="admin:write" onClick={() => setMaking(true)}>
          New token
        </Button>
      }
      empty={
        <Empty title="No token was made here yet.">
          <p>
            A token lets a program or a team in, with no more rights than it needs, and ends when you say so.
          </p>
        </Empty>
      }
    >
      {made?.token !== undefined && (
        <Notice tone="ok" title={`The token ${made.name} was made. It is shown this once.`}>
          <p>
            <Copy text={made.token} label="Copy the token" />
          </p>
        </Notice>
      )}
      {isMaking && (
        <NewToken
          onClose={() => setMaking(false)}
          onMade={(token) => {
            setMade(token);
            list.reload();
          }}
        />
      )}
      {leaving && <Revocation token={leaving} onClose={() => setLeaving(undefined)} onDone={list.reload} />}
    </ListPage>
  );
}

function columnsOf(onRevoke: (token: Token) => void): readonly Column<Token>[] {
  return [
    {
      title: "Name",
      width: "2fr",
      cell: ({ name, subject, created_by: maker }) => (
        <>
          {name}
          <span class="hint block">
            {subject !== name && `as ${subject}, `}by {maker}
          </span>
        </>
      ),
    },
    {
      title: "May",
      width: "5fr",
      cell: ({ scopes: may, limits }) => (
        <Two first={may.includes("*") ? "everything" : may.join(", ")} second={limitsText(limits)} />
      ),
    },
    {
      title: "Last used",
      width: "120px",
      isFar: true,
      cell: ({ last_used_at: at }) => (at === undefined ? "never" : <Time at={at} />),
    },
    { title: "Ends", width: "110px", isFar: true, cell: (token) => <End token={token} /> },
    {
      title: "Actions",
      width: "80px",
      kind: "num",
      cell: (token) => (
        <Button
          kind="plain"
          scope="admin:write"
          label={`Revoke ${token.name}`}
          onClick={() => onRevoke(token)}
        >
          Revoke
        </Button>
      ),
    },
  ];
}

/** Two lines, whole on hover. */
function Two({ first, second }: { readonly first: string; readonly second: string }): JSX.Element {
  return (
    <>
      <span class="line-of" title={first}>
        {first}
      </span>
      {second !== "" && (
        <span class="hint block" title={second}>
          {second}
        </span>
      )}
    </>
  );
}

function End({ token: { expires_at: end } }: { readonly token: Token }): JSX.Element {
  if (end === undefined) return <State tone="quiet">no end</State>;
  if (Date.parse(end) < Date.now()) return <State tone="bad">ended</State>;
  return <Time at={end} />;
}

function limitsText(limits: TokenLimits | undefined): string {
  if (limits === undefined) return "";
  const parts = Object.entries(limits).map(
    ([key, list]) => `${key}: ${(list as readonly (string | number)[]).join(", ") || "none"}`,
  );
  return ["own ingresses", ...parts].join("; ");
}

interface RevocationProps {
  readonly token: Token;
  readonly onClose: () => void;
  readonly onDone: () => void;
}

function Revocation({ token: { id, name }, onClose, onDone }: RevocationProps): JSX.Element {
  const revoke = async (): Promise<void> => {
    await call("DELETE", `/tokens/${segment(id)}`);
    announce(`${name} was revoked.`);
    onDone();
  };
  return (
    <Dialog
      title={`Revoke ${name}?`}
      submit="Revoke"
      leave="Keep it"
      isDanger
      onSubmit={revoke}
      onClose={onClose}
    >
      {() => (
        <p>
          Whoever uses it is refused from then on, and cut from streams of events. This cannot be taken back.
        </p>
      )}
    </Dialog>
  );
}

const scopes: readonly (readonly [Scope, string])[] = [
  ["ingress:read", "See ingresses, explain, plan"],
  ["ingress:write", "Create and change ingresses"],
  ["ingress:delete", "Delete ingresses"],
  ["instance:read", "See instances"],
  ["instance:write", "Change instances, drain them"],
  ["certificate:read", "See certificates"],
  ["certificate:write", "Import certificates"],
  ["admin:read", "See status, events, tokens"],
  ["admin:write", "Make and revoke tokens"],
];

const ends: readonly (readonly [string, string])[] = [
  ["24h", "in a day"],
  ["720h", "in 30 days"],
  ["2160h", "in 90 days"],
  ["8760h", "in a year"],
  ["", "never"],
];

function NewToken({
  onClose,
  onMade,
}: {
  readonly onClose: () => void;
  readonly onMade: (token: Token) => void;
}): JSX.Element {
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<Scope>>(new Set<Scope>(["ingress:read"]));
  const [end, setEnd] = useState("2160h");
  const [isLimited, setLimited] = useState(false);
  const [hostnames, setHostnames] = useState("");
  const make = async (): Promise<void> => {
    const names = words(hostnames);
    const body: CreateTokenRequest = {
      name,
      scopes: [...chosen],
      ...(end === "" ? {} : { expires_in: end }),
      ...(isLimited ? { limits: names.length === 0 ? {} : { hostnames: names } } : {}),
    };
    onMade((await call<Token>("POST", "/tokens", { body })).data);
  };
  const toggle = (scope: Scope, isOn: boolean): void => {
    const next = new Set(chosen);
    if (isOn) next.add(scope);
    else next.delete(scope);
    setChosen(next);
  };
  return (
    <Dialog title="New token" submit="Make it" onSubmit={make} onClose={onClose}>
      {(problem) => (
        <>
          <div class="row">
            <TextField label="Name" value={name} onInput={setName} error={problem("name")} placeholder="ci" />
            <Field label="Ends" error={problem("expires_in")}>
              {(props) => (
                <select {...props} value={end} onChange={(event) => setEnd(event.currentTarget.value)}>
                  {ends.map(([value, label]) => (
                    <option key={value} value={value}>
                      {label}
                    </option>
                  ))}
                </select>
              )}
            </Field>
          </div>
          <fieldset class="plain-set">
            <legend>It may</legend>
            <div class="scopes">
              {scopes.map(([scope, label]) => (
                <Check
                  key={scope}
                  label={label}
                  hint={scope}
                  checked={chosen.has(scope)}
                  onChange={(isOn) => toggle(scope, isOn)}
                />
              ))}
            </div>
          </fieldset>
          <Check
            label="For one team: it sees and changes its own ingresses alone"
            checked={isLimited}
            onChange={setLimited}
          />
          {isLimited && (
            <TextField
              label="Hostnames that its rules may have"
              mono
              value={hostnames}
              onInput={setHostnames}
              placeholder="*.shop.example.com, shop.example.com"
              hint="Separated by commas or spaces. Empty: any."
              error={problem("limits.hostnames")}
            />
          )}
        </>
      )}
    </Dialog>
  );
}

function words(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}
