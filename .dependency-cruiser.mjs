// Import matrix of the house. One row per room: what it may import inside src (docs/ARCHITECTURE.md).
const rooms = {
  std: [], core: ['std'], api: ['core', 'std'], wire: ['core', 'std'], platform: ['std'],
  hub: ['api', 'core', 'platform', 'std', 'wire'], agent: ['api', 'core', 'platform', 'std', 'wire'],
  sandbox: ['api', 'platform', 'std'], cli: ['api', 'core', 'platform', 'sandbox', 'std', 'wire'],
  bin: ['agent', 'cli', 'hub', 'platform', 'sandbox', 'std'],
};
const walls = Object.entries(rooms).map(([room, may]) => ({
  name: `room-${room}`, severity: 'error', comment: `src/${room} may import only: ${[room, ...may].join(', ')}`,
  from: { path: `^src/${room}/` }, to: { path: '^src/', pathNot: `^src/(${[room, ...may].join('|')})/` },
}));
export default {
  forbidden: [
    ...walls,
    { name: 'no-circular', severity: 'error', comment: 'type-only cycles count too (tsPreCompilationDeps)', from: {}, to: { circular: true } },
    { name: 'pure-rooms', severity: 'error', comment: 'core and std use neither npm packages nor node built-ins',
      from: { path: '^src/(core|std)/' }, to: { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'core', 'unknown'] } },
    { name: 'controllers-are-islands', severity: 'error', comment: 'controllers meet in hub/state, not in each other',
      from: { path: '^src/hub/controllers/([^/]+)/' }, to: { path: '^src/hub/controllers/', pathNot: '^src/hub/controllers/$1/' } },
    { name: 'state-is-the-floor-of-hub', severity: 'error', comment: 'state knows no one in hub', from: { path: '^src/hub/state/' }, to: { path: '^src/hub/', pathNot: '^src/hub/state/' } },
    { name: 'nobody-imports-the-root', severity: 'error', comment: 'composition roots are imported by bin only', from: { path: '^src/', pathNot: '^src/bin/' }, to: { path: '^src/[^/]+/app[.]ts$' } },
    { name: 'client-node-behind-kube', severity: 'error', comment: 'runtime use of client-node and undici only in platform/kube',
      from: { path: '^src/', pathNot: '^src/platform/kube/' }, to: { path: 'node_modules/(@kubernetes/client-node|undici)', dependencyTypesNot: ['type-only'] } },
    { name: 'grpc-behind-platform', severity: 'error', comment: 'the gRPC library lives behind platform/grpc and wire', from: { path: '^src/', pathNot: '^src/(platform/grpc|wire)/' }, to: { path: 'node_modules/@grpc', dependencyTypesNot: ['type-only'] } },
    { name: 'prom-behind-metrics', severity: 'error', comment: 'prom-client is used where metrics are made', from: { path: '^src/', pathNot: '^src/(platform/metrics|hub/observe|agent/telemetry)/' }, to: { path: 'node_modules/prom-client' } },
    { name: 'no-src-to-test', severity: 'error', comment: 'src never needs test code', from: { path: '^src/' }, to: { path: '^test/' } },
    { name: 'no-drawers', severity: 'error', comment: 'name the file after what it decides', from: {}, to: { path: '^src/.*/(utils?|helpers?|types|common|index|misc)[.]ts$' } },
    { name: 'std-earns-its-place', severity: 'error', comment: 'std files need at least 3 dependents', from: { path: '^src' }, module: { path: '^src/std', numberOfDependentsLessThan: 3 } },
  ],
  options: {
    tsPreCompilationDeps: true, tsConfig: { fileName: 'tsconfig.json' }, doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
