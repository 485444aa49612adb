/** A text of the user's for a message: quoted, and cut so that the message stays readable. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** The field of a rule's part: `rules[0].match.port`. */
export function ruleField(ruleIndex: number, part: string): string {
  return `rules[${ruleIndex}].${part}`;
}

/** The number of the rule that a field belongs to. */
export function ruleIndexOf(field: string | undefined): number | undefined {
  const index = /^rules\[(\d+)\]/.exec(field ?? "")?.[1];
  return index === undefined ? undefined : Number(index);
}
