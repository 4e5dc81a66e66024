// JSON pointers and errors that name them: shared by every builder.
#include "builders.h"

namespace corten::plan {

std::string pointer_token(std::string_view name) {
  std::string token;
  token.reserve(name.size());
  for (const char c : name) {
    if (c == '~') {
      token += "~0";
    } else if (c == '/') {
      token += "~1";
    } else {
      token += c;
    }
  }
  return token;
}

std::string pointer_at(std::string_view base, std::size_t index) {
  std::string pointer(base);
  pointer += '/';
  pointer += std::to_string(index);
  return pointer;
}

Error unsupported(std::string pointer, std::string_view message) {
  return Error::spec(std::move(pointer), message).with_kind(ErrorKind::Unsupported);
}

}  // namespace corten::plan
