#include <unistd.h>

#include "command.h"
#include <corten/sys/file.h>

namespace corten::cli {

Result<> print(std::string_view text) {
  return sys::write_all(STDOUT_FILENO, text).context("writing to the standard output");
}

}  // namespace corten::cli
