// spec, features.
#include <fcntl.h>
#include <unistd.h>

#include "command.h"
#include "version.h"
#include <corten/base/strings.h>
#include <corten/plan/features.h>
#include <corten/spec/template.h>
#include <corten/sys/file.h>

namespace corten::cli {

Result<int> spec_command(const Invocation& invocation) {
  const auto& options = invocation.options;
  const std::string in_bundle = options.value_or("bundle", ".") + "/config.json";
  const std::string path = options.value_or("file", options.value_or("config", in_bundle));
  const auto rootless = options.has("rootless") ? spec::Rootless::Yes : spec::Rootless::No;
  const sys::UniqueFd file = TRY(sys::open(path, O_WRONLY | O_CREAT | O_EXCL, 0644).context([&] {
    return "writing " + quote(path) + " (an existing file is not overwritten)";
  }));
  TRY(sys::write_all(file.get(), spec::config_template(rootless, ::geteuid(), ::getegid())));
  return 0;
}

Result<int> features_command(const Invocation&) {
  TRY(print(plan::features_json(kVersion)));
  return 0;
}

}  // namespace corten::cli
