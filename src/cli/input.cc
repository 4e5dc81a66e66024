#include "command.h"
#include <corten/base/strings.h>
#include <corten/spec/parse.h>
#include <corten/sys/file.h>

namespace corten::cli {

Result<std::string> read_input(std::string_view what, const std::string& path) {
  if (path == "-")
    return sys::read_all(0, spec::kMaxConfigBytes).context("reading the standard input");
  return sys::read_file(path, spec::kMaxConfigBytes).context([&] {
    return std::string(what) + " " + quote(path);
  });
}

}  // namespace corten::cli
