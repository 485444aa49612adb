/** What OpenTelemetry's semantic conventions call a family, its labels and its unit. */
export interface SemanticName {
  readonly name: string;
  readonly unit?: string;
  /** Label → attribute; others keep their names. */
  readonly labels?: { readonly [label: string]: string };
}

/** By the family's name. https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ */
export const semanticNames: { readonly [family: string]: SemanticName } = {};
