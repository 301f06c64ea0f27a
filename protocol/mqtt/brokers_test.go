package mqtt_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/protocol/mqtt/mqtttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMosquitto(t *testing.T) {
	t.Parallel()
	mqtttest.Conformance(t, mqtttest.StartMosquitto(t))
}

func TestCluster(t *testing.T) {
	t.Parallel()
	mqtttest.Conformance(t, mqtttest.StartCluster(t))
}
