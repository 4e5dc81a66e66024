// The entry points of reading: text -> tree -> types, and the same with the rules of validate.h.
// The only exception that can leave the readers is std::bad_alloc, which becomes an error here.
#include <exception>
#include <new>
#include <utility>

#include "cursor.h"
#include "json_tree.h"
#include "problems.h"
#include "read.h"
#include "rules.h"
#include <corten/spec/parse.h>
#include <corten/spec/validate.h>

namespace corten::spec {

namespace {

void note_duplicates(Document& document) {
  for (const uint32_t name : document.tree.duplicates()) {
    if (!document.problems.wants_more()) {
      document.problems.count_only();
      continue;
    }
    document.problems.add(document.tree.pointer(name),
                          "this name occurs more than once in its object",
                          document.tree.line(name));
  }
}

// Rules run only on a document whose types are right: they would repeat what is known to be wrong.
template <typename T, typename Check>
Result<T> read_document(std::string_view json, std::string_view name, Check&& check) {
  if (json.size() > kMaxConfigBytes) {
    return Error(ErrorKind::InvalidSpec,
                 std::string(name) + ": expected at most " + std::to_string(kMaxConfigBytes) +
                     " bytes, found " + std::to_string(json.size()));
  }
  const auto tree = TRY(json::Tree::parse(json, name));
  Document document{tree};
  note_duplicates(document);
  T value;
  read_value(Cursor(document, 0), value);
  if (document.problems.empty()) {
    check(value, document.problems);
    for (auto& problem : document.problems.list()) {
      problem.line = tree.line(tree.locate(problem.pointer));
    }
  }
  if (!document.problems.empty()) return document.problems.to_error(name);
  return value;
}

template <typename T, typename Check>
Result<T> read_guarded(std::string_view json, std::string_view name, Check&& check) {
  try {
    return read_document<T>(json, name, check);
  } catch (const std::bad_alloc&) {
    return Error(ErrorKind::System, std::string(name) + ": out of memory");
  }
}

constexpr auto kNoCheck = [](const auto&, Problems&) {};

constexpr std::string_view kConfig = "config.json";
constexpr std::string_view kProcess = "process JSON";
constexpr std::string_view kResources = "resources JSON";
constexpr std::string_view kMounts = "mounts JSON";

struct MountsDocument {
  std::vector<Mount> mounts;
};

void read_value(Cursor cursor, MountsDocument& out) {
  ObjectReader object(cursor);
  object.required("mounts", out.mounts);
}

}  // namespace

Result<Spec> parse(std::string_view json) { return read_guarded<Spec>(json, kConfig, kNoCheck); }

Result<Process> parse_process(std::string_view json) {
  return read_guarded<Process>(json, kProcess, kNoCheck);
}

Result<Resources> parse_resources(std::string_view json) {
  return read_guarded<Resources>(json, kResources, kNoCheck);
}

Result<std::vector<Mount>> parse_mounts(std::string_view json) {
  const auto check = [](const MountsDocument& document, Problems& problems) {
    check_mounts(document.mounts, problems);
  };
  auto document = TRY(read_guarded<MountsDocument>(json, kMounts, check));
  return std::move(document.mounts);
}

Result<Spec> load(std::string_view json,
                  const ValidateOptions& options,
                  std::string_view document) {
  return read_guarded<Spec>(json, document, [&](const Spec& spec, Problems& problems) {
    check_spec(spec, options, problems);
  });
}

Error locate(Error error, std::string_view json, std::string_view document) {
  const std::string_view message = error.message();
  const std::string pointer(error.pointer().empty() ? message.substr(0, message.find(": "))
                                                    : error.pointer());
  if (!pointer.starts_with('/')) return error;
  const auto tree = json::Tree::parse(json, document);
  const uint32_t place = tree ? tree->locate(pointer) : 0;
  // A property of the top level that is missing; or no pointer at all but a path of the filesystem.
  if (place == 0) {
    return error.pointer().empty() ? error : std::move(error).with_context(document);
  }
  return std::move(error).with_context(std::string(document) + " line " +
                                       std::to_string(tree->line(place)));
}

Result<Process> load_process(std::string_view json) {
  return read_guarded<Process>(json, kProcess, [](const Process& process, Problems& problems) {
    check_process(process, {}, problems);
  });
}

Result<Resources> load_resources(std::string_view json) {
  return read_guarded<Resources>(
      json, kResources, [](const Resources& resources, Problems& problems) {
        check_resources(resources, {}, problems);
      });
}

}  // namespace corten::spec
