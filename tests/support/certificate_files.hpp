// A self-signed certificate and its key as PEM files in a folder of their own, removed at the end.
// Thread: the test's.
#pragma once

#include <filesystem>
#include <string>

namespace rivulet::test {

class certificate_files {
  public:
    // For the host "localhost" and 127.0.0.1; `name` is the subject.
    explicit certificate_files(const std::string& name);
    ~certificate_files();
    certificate_files(const certificate_files&) = delete;
    certificate_files& operator=(const certificate_files&) = delete;

    // A new pair in the same places, renamed into them as renewal tools do.
    void write(const std::string& name);

    std::filesystem::path certificate() const { return folder_ / "cert.pem"; }

    std::filesystem::path key() const { return folder_ / "key.pem"; }

  private:
    std::filesystem::path folder_;
};

} // namespace rivulet::test
