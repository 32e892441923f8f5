# One image for hub, agent and command line. The bases are build arguments, so that it also builds from images of your own:
#   docker build --build-arg COMMIT=$(git rev-parse --short=12 HEAD) --tag registry.example/lumbung:0.1.0 .
# The build stage needs npm and its registry; the last stage needs Node 24 as `node` on its path and nothing else, no shell.
ARG BUILD_BASE=node:24-slim
ARG BASE=node:24-slim

FROM ${BUILD_BASE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# No package's own scripts run; none of what is bundled needs one.
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY scripts ./scripts
COPY src ./src
ARG COMMIT=unknown
# The bundles are ES modules, which Node goes by the nearest package.json for.
RUN LUMBUNG_COMMIT="${COMMIT}" npm run --silent build -- --quiet \
    && find dist -name '*.map' -delete \
    && printf '{"type":"module"}\n' > dist/package.json

FROM ${BASE}
COPY LICENSE /app/LICENSE
COPY --from=build /src/dist /app
# A number, so that `runAsNonRoot` can be checked.
USER 65532:65532
WORKDIR /app
ENTRYPOINT ["node"]
CMD ["/app/cli.js", "--help"]
