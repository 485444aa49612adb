import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace";
import type { TraceSettings } from "./settings.ts";

const PARENT_BASED = /^parentbased_/;

/** Of OpenTelemetry's names for `OTEL_TRACES_SAMPLER`. */
export function samplerOf({ sampler, share }: TraceSettings): Sampler {
  const root = rootOf(sampler.replace(PARENT_BASED, ""), share);
  return PARENT_BASED.test(sampler) ? new ParentBasedSampler({ root }) : root;
}

function rootOf(name: string, share: number): Sampler {
  if (name === "always_off") return new AlwaysOffSampler();
  return name === "traceidratio" ? new TraceIdRatioBasedSampler(share) : new AlwaysOnSampler();
}
