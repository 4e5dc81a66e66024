// Error construction: kept out of the header so that the failure path costs callers no code.
#include <cstring>

#include <corten/base/result.h>

namespace corten {

Error Error::from_errno(int errno_value, std::string_view call) {
  std::string message(call);
  message += ": ";
  message += strerror(errno_value);
  return Error(ErrorKind::System, std::move(message)).with_errno(errno_value);
}

Error Error::spec(std::string pointer, std::string_view message) {
  std::string text = pointer.empty() ? std::string("/") : pointer;
  text += ": ";
  text += message;
  return Error(ErrorKind::InvalidSpec, std::move(text)).with_pointer(std::move(pointer));
}

}  // namespace corten
