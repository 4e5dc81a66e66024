// Errors are made and looked at here, out of line: the failure path costs callers no code.
#include <cstring>

#include <corten/base/result.h>

namespace corten {

struct Error::Details {
  ErrorKind kind;
  int errno_value = 0;
  std::string message;
  std::string pointer;
};

void Error::Free::operator()(Details* details) const { std::default_delete<Details>()(details); }

Error::Error(ErrorKind kind, std::string message)
    : details_(std::make_unique<Details>(Details{kind, 0, std::move(message), {}}).release()) {}

Error::Error(const Error& other)
    : details_(other.details_ ? std::make_unique<Details>(*other.details_).release() : nullptr) {}

Error& Error::operator=(const Error& other) {
  if (this != &other) *this = Error(other);
  return *this;
}

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

ErrorKind Error::kind() const { return details_->kind; }
const std::string& Error::message() const { return details_->message; }
int Error::errno_value() const { return details_->errno_value; }
const std::string& Error::pointer() const { return details_->pointer; }

Error&& Error::with_kind(ErrorKind kind) && {
  details_->kind = kind;
  return std::move(*this);
}

Error&& Error::with_errno(int value) && {
  details_->errno_value = value;
  return std::move(*this);
}

Error&& Error::with_pointer(std::string pointer) && {
  details_->pointer = std::move(pointer);
  return std::move(*this);
}

Error Error::with_context(std::string_view frame) && {
  details_->message.insert(0, ": ");
  details_->message.insert(0, frame);
  return std::move(*this);
}

}  // namespace corten
