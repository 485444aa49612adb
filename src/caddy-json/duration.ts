/** A duration as Caddy reads it: Go's form, such as `"30s"`. */
export type Duration = string;
