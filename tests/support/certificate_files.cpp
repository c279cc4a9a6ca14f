#include "support/certificate_files.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace rivulet::test {
namespace {

using file_ptr = std::unique_ptr<FILE, decltype(&std::fclose)>;

file_ptr open_file(const std::filesystem::path& path) {
    file_ptr file(std::fopen(path.c_str(), "w"), &std::fclose);
    if (!file)
        throw std::runtime_error("cannot write " + path.string());
    return file;
}

} // namespace

certificate_files::certificate_files(const std::string& name) {
    auto pattern = (std::filesystem::temp_directory_path() / "rivulet-tls-XXXXXX").string();
    if (!::mkdtemp(pattern.data()))
        throw std::runtime_error("cannot make a folder");
    folder_ = pattern;
    write(name);
}

certificate_files::~certificate_files() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

void certificate_files::write(const std::string& name) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        EVP_EC_gen("P-256"), &EVP_PKEY_free
    );
    const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), &X509_free);
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
    X509_set_pubkey(made.get(), key.get());
    auto* subject = X509_get_subject_name(made.get());
    const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, text, -1, -1, 0);
    X509_set_issuer_name(made.get(), subject);
    auto* names =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    X509_add_ext(made.get(), names, -1);
    X509_EXTENSION_free(names);
    X509_sign(made.get(), key.get(), EVP_sha256());
    PEM_write_X509(open_file(folder_ / "new-cert").get(), made.get());
    PEM_write_PrivateKey(
        open_file(folder_ / "new-key").get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr
    );
    std::filesystem::rename(folder_ / "new-cert", certificate());
    std::filesystem::rename(folder_ / "new-key", this->key());
}

} // namespace rivulet::test
