// What /openapi.json promises is what the gateway does: every path is served, every answer and
// every error has the shape that its schema says.
#include "batch/catalog.hpp"
#include "support/batch_rig.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace rivulet {
namespace {

namespace json = boost::json;
using test::ask;
using test::batch_rig;
using test::request_text;

// As much of JSON Schema as the document uses.
class schema_check {
  public:
    explicit schema_check(json::object document) : document_(std::move(document)) {}

    const json::object& paths() const { return document_.at("paths").as_object(); }

    const json::object& named(std::string_view name) const {
        return document_.at("components").at("schemas").at(name).as_object();
    }

    // What of `value` is not as `schema` says; empty when all is.
    std::string problem(
        const json::value& value, const json::object& given, const std::string& where = "body"
    ) const {
        const auto& schema = resolved(given);
        if (value.is_null())
            return schema.contains("nullable") ? "" : where + " is null";
        const auto* type = schema.if_contains("type");
        if (!type)
            return {};
        if (!is_of(value, std::string_view(type->as_string())))
            return where + " is no " + std::string(type->as_string());
        if (const auto* list = value.if_array())
            for (const auto& entry : *list)
                if (auto why = problem(entry, schema.at("items").as_object(), where + "[]");
                    !why.empty())
                    return why;
        const auto* object = value.if_object();
        return object ? object_problem(*object, schema, where) : "";
    }

  private:
    const json::object& resolved(const json::object& schema) const {
        const auto* ref = schema.if_contains("$ref");
        if (!ref)
            return schema;
        const std::string_view path = ref->as_string();
        return resolved(named(path.substr(path.rfind('/') + 1)));
    }

    static bool is_of(const json::value& value, std::string_view type) {
        return type == "object"    ? value.is_object()
               : type == "array"   ? value.is_array()
               : type == "string"  ? value.is_string()
               : type == "boolean" ? value.is_bool()
               : type == "integer" ? value.is_int64() || value.is_uint64()
                                   : value.is_number();
    }

    std::string object_problem(
        const json::object& object, const json::object& schema, const std::string& where
    ) const {
        if (const auto* required = schema.if_contains("required"))
            for (const auto& name : required->as_array())
                if (!object.contains(name.as_string()))
                    return where + " has no " + std::string(name.as_string());
        const auto* known = schema.if_contains("properties");
        const auto* others = schema.if_contains("additionalProperties");
        for (const auto& [key, member] : object) {
            const auto* found = known ? known->as_object().if_contains(key) : nullptr;
            if (!found)
                found = others;
            if (!found && known)
                return where + " has an unknown " + std::string(key);
            if (!found)
                continue;
            auto why = problem(member, found->as_object(), where + "." + std::string(key));
            if (!why.empty())
                return why;
        }
        return {};
    }

    json::object document_;
};

json::object object_of(const test::raw_reply& reply) {
    return json::parse(reply.body).as_object();
}

std::string upper(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) {
        return static_cast<char>(c - 'a' + 'A');
    });
    return out;
}

TEST(batch_document, every_path_that_it_names_is_served) {
    batch_rig rig;
    const schema_check document(object_of(rig.get("/openapi.json")));
    for (const auto& [path, methods] : document.paths()) {
        if (path == "/healthz") // the gateway's own, whatever the method
            continue;
        std::string filled(path);
        for (auto open = filled.find('{'); open != filled.npos; open = filled.find('{'))
            filled.replace(open, filled.find('}') - open + 1, "x");
        const auto refused = ask(rig.port(), request_text("PATCH", filled));
        EXPECT_EQ(refused.status, 405) << path;
        for (const auto& [method, operation] : methods.as_object())
            EXPECT_THAT(refused["Allow"], testing::HasSubstr(upper(std::string_view(method))))
                << path;
    }
}

TEST(batch_conformance, s45_every_answer_is_as_the_document_says) {
    batch_rig rig;
    const schema_check document(object_of(rig.get("/openapi.json")));
    for (const auto& kind : batch::catalog()) {
        const std::string path = "/" + std::string(kind.name);
        const auto reply = ask(rig.port(), rig.good_request(kind.name));
        ASSERT_EQ(reply.status, 200) << path << ": " << reply.body;
        EXPECT_EQ(reply["Content-Type"], "application/json");
        const auto& schema = document.paths()
                                 .at(path)
                                 .at("post")
                                 .at("responses")
                                 .at("200")
                                 .at("content")
                                 .at("application/json")
                                 .at("schema")
                                 .as_object();
        EXPECT_EQ(document.problem(json::parse(reply.body), schema), "") << path << reply.body;
    }
    EXPECT_EQ(document.problem(object_of(rig.get("/models")), document.named("Models")), "");
}

TEST(batch_document, errors_are_as_it_says) {
    batch_rig rig;
    const schema_check document(object_of(rig.get("/openapi.json")));
    for (const auto& kind : batch::catalog()) {
        const auto reply = rig.post("/" + std::string(kind.name), "{");
        ASSERT_EQ(reply.status, 400) << kind.name;
        EXPECT_EQ(document.problem(object_of(reply), document.named("Error")), "") << reply.body;
    }
    const auto gone = rig.get("/jobs/00000000000000000000000000000000");
    ASSERT_EQ(gone.status, 404);
    EXPECT_EQ(document.problem(object_of(gone), document.named("Error")), "") << gone.body;
}

TEST(batch_document, jobs_are_as_it_says) {
    batch_rig rig;
    const schema_check document(object_of(rig.get("/openapi.json")));
    const auto accepted =
        ask(rig.port(), rig.good_request("text-to-image", "Prefer: respond-async\r\n"));
    ASSERT_EQ(accepted.status, 202) << accepted.body;
    const auto body = object_of(accepted);
    EXPECT_EQ(document.problem(body, document.named("JobAccepted")), "") << accepted.body;
    const auto shown = rig.get("/jobs/" + std::string(body.at("id").as_string()));
    ASSERT_EQ(shown.status, 200);
    EXPECT_EQ(document.problem(object_of(shown), document.named("Job")), "") << shown.body;
}

} // namespace
} // namespace rivulet
