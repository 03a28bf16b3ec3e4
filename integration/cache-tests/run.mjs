// Runs the public tests of HTTP caches against a cache, and prints what came of each as JSON.
//
//   node run.mjs DIRECTORY BASE [ID...]
//
// DIRECTORY has the package http-cache-tests in its node_modules, BASE is where the cache is. With IDs, these alone are
// run, and those that they depend on. The origin is the package's own server.

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [directory, base, ...ids] = process.argv.slice(2)
const root = join(directory, 'node_modules/http-cache-tests')
const load = path => import(pathToFileURL(join(root, path)))

const { runTests, getResults } = await load('client/runner.mjs')
const suites = (await load('tests/index.mjs')).default
suites.push((await load('tests/surrogate-control.mjs')).default)
const fetch = createRequire(join(root, 'cli.mjs'))('node-fetch')

const all = new Map(suites.flatMap(suite => suite.tests.map(test => [test.id, { suite: suite.id, ...test }])))
const wanted = new Set()
const want = id => {
  if (wanted.has(id)) return
  wanted.add(id)
  for (const other of all.get(id)?.depends_on ?? []) want(other)
}
for (const id of ids.length ? ids : all.keys()) want(id)

const chosen = suites.map(suite => ({ ...suite, tests: suite.tests.filter(test => wanted.has(test.id)) }))
await runTests(chosen, fetch, false, base)
const results = getResults()

// What a test says counts only if those say yes that it depends on.
const outcome = id => {
  const { kind = 'required', depends_on: others = [] } = all.get(id)
  const result = results[id]
  if (result === undefined) return 'untested'
  if (others.some(other => outcome(other) !== 'pass')) return 'dependency'
  if (result === true) return 'pass'
  if (result[0] === 'Setup') return 'setup'
  return kind === 'check' ? 'no' : 'fail'
}
const told = Object.keys(results).map(id => {
  const { suite, kind = 'required', name } = all.get(id)
  const why = results[id] === true ? '' : results[id].slice(0, 2).join(': ')
  return { id, suite, kind, name, outcome: outcome(id), why }
})
// Connections to the cache are kept by the agent of node-fetch; nobody needs them. What a pipe has not taken yet would be
// lost with the process.
process.stdout.write(JSON.stringify(told) + '\n', () => process.exit(0))
