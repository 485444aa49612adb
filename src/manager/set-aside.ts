import type { Problem } from "../errors.ts";
import type { Ingress, IngressRule, SetAsideIngress } from "../model/api.ts";
import { ClaimIndex, type Conflict } from "../model/claims/claim-index.ts";
import { claimProblems } from "../validation/ingress.ts";
import { Owners } from "./owners.ts";
import { unreadableClaims } from "./unreadable-claims.ts";

/** What a document wants; `undefined` stands for a rule that is invalid by itself. */
export interface Wanted extends Pick<Ingress, "listen" | "gateways"> {
  readonly name: string;
  readonly rules: readonly (IngressRule | undefined)[];
}

/**
 * Stored ingresses that are not served. They hold what they claim, so that nobody else is given it and loses it at a
 * start that finds them mended. An ingress that stands against one of them anyway is not held up by that one: of the
 * two it was acknowledged last.
 */
export class SetAside {
  /** Whose they are, of those that can be read. */
  readonly owners = new Owners();
  readonly #entries = new Map<string, SetAsideIngress>();
  readonly #claims = new ClaimIndex();
  /** Name → ids. Several may have one name. */
  readonly #names = new Map<string, Set<string>>();
  #damages = 0;

  add(entry: SetAsideIngress): void {
    this.#entries.set(entry.id, entry);
    if (entry.name !== undefined)
      this.#names.set(entry.name, (this.#names.get(entry.name) ?? new Set()).add(entry.id));
    if (entry.ingress === undefined) this.#claims.addUnreadable(entry.id, entry.hostnames, entry.ports);
    else {
      this.#claims.add(entry.ingress);
      this.owners.add(entry.ingress);
    }
  }

  remove(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    const { name = "" } = entry;
    const ids = this.#names.get(name);
    if (ids?.delete(id) && ids.size === 0) this.#names.delete(name);
    if (entry.ingress === undefined) this.#claims.removeUnreadable(id);
    else {
      this.#claims.remove(entry.ingress);
      this.owners.remove(entry.ingress);
    }
  }

  /** Holds the hostnames that a damaged line of the journal names, for as long as this process lives. */
  addDamage(id: string, text: string): void {
    const { hostnames, ports } = unreadableClaims(text);
    this.#claims.addUnreadable(id, hostnames, ports);
    this.#damages += 1;
  }

  get(id: string): SetAsideIngress | undefined {
    return this.#entries.get(id);
  }

  named(name: string): SetAsideIngress | undefined {
    const [id] = this.#names.get(name) ?? [];
    return id === undefined ? undefined : this.#entries.get(id);
  }

  /** By ascending id. */
  list(): readonly SetAsideIngress[] {
    return [...this.#entries.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  /** What stands against a document here. `selfId` and `before` are the id and the ingress that it replaces. */
  problems(wanted: Wanted, selfId?: string, before?: Ingress): { name: Problem[]; claims: Problem[] } {
    const rivals = this.#rivalsOf(selfId, before);
    const holder = [...(this.#names.get(wanted.name) ?? [])].find((id) => !rivals.has(id));
    const conflicts = this.#held(wanted, rivals);
    const problems = claimProblems(conflicts);
    return {
      name: holder === undefined ? [] : [nameTaken(wanted.name, holder)],
      claims: problems.map((problem, index) => ({
        ...problem,
        message: problem.message + remedyFor(conflicts[index]),
      })),
    };
  }

  /** Those that already stand against what is replaced. */
  #rivalsOf(selfId: string | undefined, before: Ingress | undefined): ReadonlySet<string> {
    const rivals = new Set<string>(selfId === undefined ? [] : [selfId]);
    if (before === undefined) return rivals;
    for (const id of this.#names.get(before.name) ?? []) rivals.add(id);
    for (const id of this.#claims.holders(before.rules, rivals, before)) rivals.add(id);
    return rivals;
  }

  /** Conflicts with what is set aside; those of a document with itself are found elsewhere. */
  #held({ rules, ...place }: Omit<Wanted, "name">, except: ReadonlySet<string>): readonly Conflict[] {
    if (this.#entries.size === 0 && this.#damages === 0) return [];
    return this.#claims.conflicts(rules, except, place).filter(({ holder }) => holder.kind !== "document");
  }
}

function nameTaken(name: string, id: string): Problem {
  return {
    code: "already_exists",
    field: "name",
    message: `ingress already exists: ingress with name "${name}" already exists; it is set aside: ${remedy(id)}`,
  };
}

function remedyFor(conflict: Conflict | undefined): string {
  if (conflict === undefined || conflict.holder.kind === "document") return "";
  const { id } = conflict.holder;
  // Names of journal files start with a dot, ids do not.
  if (id.startsWith(".")) return "; compare the journal file with the ingresses, then remove it";
  return conflict.holder.kind === "file" ? `; ${remedy(id)}` : `, which is set aside: ${remedy(id)}`;
}

function remedy(id: string): string {
  return `replace or delete it (PUT or DELETE /ingresses/${id})`;
}
