import json

print(json.dumps({"loss": 0.9}))  # after the first epoch
print(json.dumps({"loss": 0.25, "predictions": [0.123456] * 20000}))  # the end
