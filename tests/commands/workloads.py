"""Objects as kubectl prints them: what make up looks at."""


def workload(name, kind="Deployment", ready=1, updated=1, seen=1):
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "generation": 1},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}},
        "status": {"observedGeneration": seen, "updatedReplicas": updated, "readyReplicas": ready},
    }


def pod(name, *containers, **conditions):
    found = [{"type": kind, **condition} for kind, condition in conditions.items()]
    status = {"conditions": found, "containerStatuses": list(containers)}
    return {"metadata": {"name": name}, "status": status}


def container(why, image="db:1", message=""):
    return {"image": image, "state": {"waiting": {"reason": why, "message": message}}}


def waiting(name, why, image):
    return pod(name, container(why, image))


def init(name="migrate", ready=False, restarts=0, **state):
    """An init container. It is ready when it has succeeded."""
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state}


def initializing(name, *inits):
    """A pod whose container waits for others."""
    found = pod(name, container("PodInitializing"))
    found["status"]["initContainerStatuses"] = list(inits)
    return found
