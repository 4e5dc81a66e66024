// The six kinds of hooks, with the JSON pointer that errors name.
#include "builders.h"

namespace corten::plan {
namespace {

std::vector<Hook> build_kind(const std::vector<spec::Hook>& configured, std::string_view kind) {
  std::vector<Hook> hooks;
  hooks.reserve(configured.size());
  const std::string base = "/hooks/" + std::string(kind);
  for (std::size_t i = 0; i < configured.size(); ++i) {
    const auto& one = configured[i];
    hooks.push_back({.path = one.path,
                     .args = one.args.empty() ? std::vector<std::string>{one.path} : one.args,
                     .env = one.env,
                     .timeout = one.timeout,
                     .pointer = pointer_at(base, i)});
  }
  return hooks;
}

}  // namespace

Hooks build_hooks(const spec::Hooks& hooks) {
  return {.prestart = build_kind(hooks.prestart, "prestart"),
          .create_runtime = build_kind(hooks.create_runtime, "createRuntime"),
          .create_container = build_kind(hooks.create_container, "createContainer"),
          .start_container = build_kind(hooks.start_container, "startContainer"),
          .poststart = build_kind(hooks.poststart, "poststart"),
          .poststop = build_kind(hooks.poststop, "poststop")};
}

}  // namespace corten::plan
