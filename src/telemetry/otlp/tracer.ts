import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Context,
  defaultTextMapGetter,
  type Span as OtelSpan,
  type Tracer as OtelTracer,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import type { Span, SpanOptions, Tracing } from "../tracing.ts";

/** Spans by OpenTelemetry's SDK. */
export class OtlpTracer implements Tracing {
  readonly #tracer: OtelTracer;
  readonly #running = new AsyncLocalStorage<Context>();
  readonly #propagator = new W3CTraceContextPropagator();

  constructor(tracer: OtelTracer) {
    this.#tracer = tracer;
  }

  /** That of the span that runs. */
  context(): Context {
    return this.#running.getStore() ?? ROOT_CONTEXT;
  }

  begin(name: string, { attributes = {}, headers }: SpanOptions = {}): Span {
    const parent =
      headers === undefined
        ? this.context()
        : this.#propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
    const kind = headers === undefined ? SpanKind.INTERNAL : SpanKind.SERVER;
    const span = this.#tracer.startSpan(name, { kind, attributes }, parent);
    const within = trace.setSpan(parent, span);
    return asSpan(span, (work) => this.#running.run(within, work));
  }
}

function asSpan(span: OtelSpan, run: Span["run"]): Span {
  return {
    run,
    set: (attributes, name) => {
      span.setAttributes(attributes);
      if (name !== undefined) span.updateName(name);
    },
    end: (failure) => {
      if (failure !== undefined)
        span.setAttribute("error.type", failure).setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}
