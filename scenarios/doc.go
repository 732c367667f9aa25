// Package scenarios reads scenario files: YAML that names the targets to compare
// and the steps to walk over each of them. docs/scenarios.md is the reference of
// the file for its users.
//
// The way from bytes to a [Scenario]:
//
//   - syntax.go turns YAML into a tree of nodes that know their place, and refuses
//     what a scenario has no use for (anchors, tags, several documents) and what
//     would cost more than a file is worth (size, nesting);
//   - keys.go, keys_targets.go and keys_steps.go hold the raw types: one struct for
//     each mapping of the file, whose tags give each key its name, its description,
//     its default and its bounds;
//   - decode.go fills them by reflection, params substituted, and finds unknown,
//     unsupported and duplicate keys; schema.go makes the JSON Schema from them;
//   - build.go, with a file for each kind of target and step, and course.go turn raw
//     values into a [Scenario] and check what only several keys together show: a send
//     to a group that nobody opened. What depends on which targets are run comes last
//     (external.go).
//
// Every stage goes on after an error, so that one reading of a file reports all
// its mistakes.
package scenarios
