import java.net.*;

public class Listener {
    @SuppressWarnings("deprecation")
    public static void main(String[] args) throws Exception {
        InetAddress group = InetAddress.getByName("239.0.0.1");
        MulticastSocket socket = new MulticastSocket(Integer.parseInt(args[1]));
        socket.joinGroup(group);
        System.out.println("Joined " + group);
        byte[] buf = new byte[1024];
        String text = "";
        while (!text.equals("end of transmission")) {
            DatagramPacket p = new DatagramPacket(buf, buf.length);
            socket.receive(p);
            text = new String(p.getData(), 0, p.getLength());
            System.out.println("Received: " + text);
        }
        socket.leaveGroup(group);
        socket.close();
    }
}
