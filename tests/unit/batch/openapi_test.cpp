#include "batch/openapi.hpp"
#include "sample_requests.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include <set>

namespace rivulet::batch {
namespace {

namespace json = boost::json;

const json::object& at(const json::object& from, std::string_view key) {
    return from.at(key).as_object();
}

// Every $ref below `value`.
void references(const json::value& value, std::set<std::string>& into) {
    if (const auto* object = value.if_object())
        for (const auto& [key, member] : *object) {
            if (key == "$ref")
                into.insert(std::string(member.as_string()));
            references(member, into);
        }
    if (const auto* array = value.if_array())
        for (const auto& entry : *array)
            references(entry, into);
}

json::object params_of(const json::object& document, const pipeline& kind) {
    const auto& operation = at(at(at(document, "paths"), "/" + std::string(kind.name)), "post");
    const auto& content = at(at(operation, "requestBody"), "content");
    EXPECT_EQ(content.size(), 1u);
    EXPECT_EQ(
        content.begin()->key(),
        kind.body == body_kind::json ? "application/json" : "multipart/form-data"
    );
    const std::string ref(
        content.begin()->value().as_object().at("schema").as_object().at("$ref").as_string()
    );
    return at(at(at(document, "components"), "schemas"), ref.substr(ref.rfind('/') + 1));
}

TEST(openapi, says_of_every_pipeline_what_its_row_says) {
    const auto document = openapi_document({});
    EXPECT_EQ(document.at("openapi"), "3.0.3");
    const auto& error = at(at(at(document, "components"), "schemas"), "Error");
    EXPECT_TRUE(at(at(error, "properties"), "error").at("required").is_array());
    for (const auto& kind : catalog()) {
        SCOPED_TRACE(kind.name);
        const auto params = params_of(document, kind);
        std::set<std::string_view> required;
        if (const auto* names = params.if_contains("required"))
            for (const auto& name : names->as_array())
                required.insert(std::string_view(name.as_string()));
        std::size_t count = 0;
        for (const auto& each : kind.fields) {
            const auto* schema = at(params, "properties").if_contains(each.name);
            EXPECT_EQ(schema == nullptr, each.own) << each.name;
            if (!schema)
                continue;
            ++count;
            EXPECT_EQ(required.contains(each.name), each.required) << each.name;
            if (each.high) {
                EXPECT_EQ(schema->at("maximum").to_number<double>(), *each.high);
            }
            if (each.kind == field_kind::file) {
                EXPECT_EQ(schema->at("format"), "binary");
            }
        }
        EXPECT_EQ(at(params, "properties").size(), count);
        EXPECT_EQ(
            at(at(params, "properties"), kind.model_field).at("default"), kind.default_model.data()
        );
    }
}

TEST(openapi, points_to_nothing_that_is_not_there) {
    openapi_options options;
    options.keys = true;
    const auto document = openapi_document(options);
    std::set<std::string> names;
    references(document, names);
    EXPECT_GT(names.size(), 20u);
    for (const auto& name : names) {
        ASSERT_TRUE(name.starts_with("#/components/")) << name;
        const auto rest = name.substr(sizeof "#/components/" - 1);
        const auto slash = rest.find('/');
        EXPECT_TRUE(
            at(at(document, "components"), rest.substr(0, slash)).contains(rest.substr(slash + 1))
        ) << name;
    }
    std::set<std::string> operations;
    for (const auto& [path, methods] : at(document, "paths"))
        for (const auto& [method, operation] : methods.as_object()) {
            EXPECT_TRUE(
                operations.insert(std::string(operation.at("operationId").as_string())).second
            ) << path;
            EXPECT_FALSE(operation.at("responses").as_object().empty()) << path;
        }
}

TEST(openapi, asks_for_a_key_only_where_the_gateway_does) {
    const auto open = openapi_document({});
    EXPECT_FALSE(open.contains("security"));
    EXPECT_EQ(json::serialize(open).find("401"), std::string::npos);
    openapi_options options;
    options.keys = true;
    const auto shut = openapi_document(options);
    EXPECT_TRUE(shut.contains("security"));
    EXPECT_TRUE(at(at(shut, "components"), "securitySchemes").contains("HTTPBearer"));
    const auto& operation = at(at(at(shut, "paths"), "/upscale"), "post");
    EXPECT_TRUE(at(operation, "responses").contains("401"));
    const auto& file = at(at(at(shut, "paths"), "/stream/{id}/{name}"), "get");
    EXPECT_TRUE(file.at("security").as_array().empty());
}

TEST(openapi, shows_the_operators_models_and_limits) {
    openapi_options options;
    options.rules.default_models["text-to-image"] = "rivulet/testcard";
    options.rules.highest["height"] = 1024;
    const auto& kind = row("text-to-image");
    const auto document = openapi_document(options);
    const auto params = params_of(document, kind);
    EXPECT_EQ(at(at(params, "properties"), "model_id").at("default"), "rivulet/testcard");
    EXPECT_EQ(at(at(params, "properties"), "height").at("maximum"), 1024);
    EXPECT_EQ(at(at(params, "properties"), "width").at("maximum"), 8192);
}

} // namespace
} // namespace rivulet::batch
