// The state document: writing for people, engines and hooks; reading for the state directory.
#include "cursor.h"
#include <corten/base/flags.h>
#include <corten/base/json_text.h>
#include <corten/spec/state.h>

namespace corten::spec {

namespace {

constexpr NameTable kStatusNames({
    Named<Status>{"creating", Status::Creating},
    Named<Status>{"created", Status::Created},
    Named<Status>{"running", Status::Running},
    Named<Status>{"paused", Status::Paused},
    Named<Status>{"stopped", Status::Stopped},
});

void write_annotations(JsonWriter& json, const State& state) {
  if (state.annotations.empty()) return;
  json.key("annotations").begin_object();
  for (const auto& [name, value] : state.annotations) json.field(name, value);
  json.end_object();
}

}  // namespace

std::string_view status_name(Status status) { return kStatusNames.name_of(status); }

std::optional<Status> parse_status(std::string_view name) { return kStatusNames.find(name); }

void append_json(JsonWriter& json, const State& state, Extras extras) {
  json.begin_object();
  json.field("ociVersion", state.oci_version).field("id", state.id);
  if (extras == Extras::Yes || state.pid != 0) json.field("pid", state.pid);
  json.field("status", status_name(state.status)).field("bundle", state.bundle);
  if (extras == Extras::Yes) json.field("rootfs", state.rootfs).field("created", state.created);
  write_annotations(json, state);
  if (extras == Extras::Yes) json.field("owner", state.owner);
  if (extras == Extras::Yes && state.oom_killed) {
    json.field("oomKilled", true)
        .field("oomLimit", state.oom_own_limit ? "/linux/resources/memory" : "above the container");
  }
  json.end_object();
}

std::string to_json(const State& state, Extras extras, Layout layout) {
  JsonWriter json(layout == Layout::Compact ? JsonWriter::Style::Compact
                                            : JsonWriter::Style::Indented);
  append_json(json, state, extras);
  return json.take();
}

Result<State> parse_state(std::string_view text) {
  const auto tree = TRY(json::Tree::parse(text, "state JSON"));
  Document document{tree};
  ObjectReader object(Cursor(document, 0));
  State state;
  std::string status;
  object.required("ociVersion", state.oci_version);
  object.required("id", state.id);
  object.optional("pid", state.pid, Range{0, INT32_MAX});
  object.required("status", status);
  object.required("bundle", state.bundle);
  object.optional("rootfs", state.rootfs);
  object.optional("created", state.created);
  AnyText annotations{state.annotations};
  object.optional("annotations", annotations);
  object.optional("owner", state.owner);
  const auto known = parse_status(status);
  if (known) state.status = *known;
  if (document.problems.empty() && !known) {
    document.problems.add("/status", "expected one of " + kStatusNames.names());
  }
  if (!document.problems.empty()) return document.problems.to_error("state JSON");
  return state;
}

}  // namespace corten::spec
